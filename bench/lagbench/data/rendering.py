"""Examples as a person reads them."""

from collections.abc import Sequence
from textwrap import TextWrapper

import torch
from torch import Tensor

from lagbench.contract import Batch, DisplayNames, Frames, Reals, Space, Task, Tokens

_WIDTH = 100  # of a line
_SHADES = " ░▒▓█"
_SIGNS = str.maketrans({"\n": "⏎", "\t": "⇥", "\r": "␍"})  # what would break a line
_SQUARE = 32  # pixels; narrower pictures are drawn two characters a pixel, which are about square


def rendered(task: Task, length: int, batch: Batch, index: int) -> str:
    """The source, the target and the lags of one example, without padding.

    Symbols are named as the task says, and `_` stands where nothing is asked for. Numbers are
    rounded, pictures are shades of grey; frames of a film stand side by side.
    """
    signature, reading = task.signature(length), task.display_names(length)
    source, target = batch.source[index], batch.target[index]
    asked = torch.ones(len(target), dtype=torch.bool)
    if batch.source_mask is not None:
        source = source[batch.source_mask[index]]
    if batch.target_mask is not None:
        asked = batch.target_mask[index]
    end = int(asked.nonzero().max()) + 1
    named = _sequence(signature.target, reading.target, target[:end])
    named = [word if real else "_" for word, real in zip(named, asked.tolist(), strict=False)]
    blocks = {
        "source": _source(signature.source, reading, source),
        "target": _joined(named, reading.target),
    }
    if batch.lag is not None:
        lags = batch.lag[index][asked].tolist()
        blocks["lag"] = " ".join("–" if lag < 0 else str(lag) for lag in lags)
    return "\n".join(f"  {name:8}{_indented(block)}" for name, block in blocks.items())


def _source(space: Space, reading: DisplayNames, source: Tensor) -> str:
    if isinstance(space, Frames):
        return _film(source.float().mean(1))
    if reading.row:
        return _film(source.view(1, -1, reading.row))
    if isinstance(space, Reals) and space.width > 1 and not reading.source:
        return "\n".join(_joined(_numbers(row), ()) for row in source.T)
    return _joined(_sequence(space, reading.source, source), reading.source)


def _sequence(space: Space, names: Sequence[str], sequence: Tensor) -> list[str]:
    """A word for each step: of symbols `(T,)`, or of vectors `(T, W)`."""
    if isinstance(space, Tokens) and names:
        return [names[symbol].translate(_SIGNS) for symbol in sequence.tolist()]
    if isinstance(space, Tokens):
        return ["end" if symbol == space.end else str(symbol) for symbol in sequence.tolist()]
    if names:
        return [" ".join(names[index] for index in step.nonzero().flatten()) for step in sequence]
    return ["/".join(_numbers(step)) for step in sequence]


def _joined(words: Sequence[str], names: Sequence[str]) -> str:
    """Letters without spaces, as they are written."""
    letters = bool(names) and all(len(name) == 1 for name in names)
    return ("" if letters else " ").join(words)


def _numbers(values: Tensor) -> list[str]:
    return [f"{value:.2f}" for value in values.tolist()]


def _film(frames: Tensor) -> str:
    """Frames `(T, H, W)` in shades, as many beside each other as a line holds."""
    levels = (frames / frames.max().clamp(min=1e-6) * (len(_SHADES) - 1)).round().long().clamp(0)
    wide = 2 if frames.shape[2] <= _SQUARE else 1
    drawn = [
        ["".join(_SHADES[level] * wide for level in row) for row in frame]
        for frame in levels.tolist()
    ]
    beside = max(1, _WIDTH // (wide * frames.shape[2] + 3))
    strips = [drawn[start : start + beside] for start in range(0, len(drawn), beside)]
    return "\n\n".join(
        "\n".join(" │ ".join(rows) + " │" for rows in zip(*strip, strict=True)) for strip in strips
    )


def _indented(block: str) -> str:
    """A block's lines, long ones wrapped, all but the first moved under it."""
    wrapper = TextWrapper(
        _WIDTH, replace_whitespace=False, drop_whitespace=False, break_on_hyphens=False
    )
    lines = [part for line in block.split("\n") for part in wrapper.wrap(line) or [""]]
    return f"\n{'':10}".join(line.rstrip() for line in lines)
