"""Render examples as text."""

from collections.abc import Sequence
from textwrap import TextWrapper

import torch
from torch import Tensor

from lagbench.contract import Batch, DisplayNames, Frames, Reals, Space, Task, Tokens

_WIDTH = 100  # of a line
_SHADES = " ░▒▓█"
_SIGNS = str.maketrans({"\n": "⏎", "\t": "⇥", "\r": "␍"})  # what would break a line
_SQUARE = 32  # pixels; narrower pictures are drawn two characters a pixel, which are about square


def render(task: Task, length: int, batch: Batch, index: int) -> str:
    """Render the source, the target and the lags of one example, without padding.

    Symbols have the task's display names; `_` marks targets that are not scored. Numbers are
    rounded, pictures are in shades of grey, frames of a video side by side.
    """
    signature, display = task.signature(length), task.display_names(length)
    source, target = batch.source[index], batch.target[index]
    scored = torch.ones(len(target), dtype=torch.bool)
    if batch.source_mask is not None:
        source = source[batch.source_mask[index]]
    if batch.target_mask is not None:
        scored = batch.target_mask[index]
    end = int(scored.nonzero().max()) + 1
    named = _sequence(signature.target, display.target, target[:end])
    named = [
        word if is_scored else "_" for word, is_scored in zip(named, scored.tolist(), strict=False)
    ]
    blocks = {
        "source": _source(signature.source, display, source),
        "target": _join(named, display.target),
    }
    if batch.lag is not None:
        lags = batch.lag[index][scored].tolist()
        blocks["lag"] = " ".join("–" if lag < 0 else str(lag) for lag in lags)
    return "\n".join(f"  {name:8}{_indent(block)}" for name, block in blocks.items())


def _source(space: Space, display: DisplayNames, source: Tensor) -> str:
    if isinstance(space, Frames):
        return _film(source.float().mean(1))
    if display.row:
        return _film(source.view(1, -1, display.row))
    if isinstance(space, Reals) and space.width > 1 and not display.source:
        return "\n".join(_join(_numbers(row), ()) for row in source.T)
    return _join(_sequence(space, display.source, source), display.source)


def _sequence(space: Space, names: Sequence[str], sequence: Tensor) -> list[str]:
    """Return a word for each step of symbols `(T,)` or vectors `(T, W)`."""
    if isinstance(space, Tokens) and names:
        return [names[symbol].translate(_SIGNS) for symbol in sequence.tolist()]
    if isinstance(space, Tokens):
        return ["end" if symbol == space.end else str(symbol) for symbol in sequence.tolist()]
    if names:
        return [" ".join(names[index] for index in step.nonzero().flatten()) for step in sequence]
    return ["/".join(_numbers(step)) for step in sequence]


def _join(words: Sequence[str], names: Sequence[str]) -> str:
    """Join words by spaces, and single letters without."""
    letters = bool(names) and all(len(name) == 1 for name in names)
    return ("" if letters else " ").join(words)


def _numbers(values: Tensor) -> list[str]:
    return [f"{value:.2f}" for value in values.tolist()]


def _film(frames: Tensor) -> str:
    """Render frames `(T, H, W)` in shades, as many side by side as a line holds."""
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


def _indent(block: str) -> str:
    """Wrap long lines, and indent all but the first."""
    wrapper = TextWrapper(
        _WIDTH, replace_whitespace=False, drop_whitespace=False, break_on_hyphens=False
    )
    lines = [part for line in block.split("\n") for part in wrapper.wrap(line) or [""]]
    return f"\n{'':10}".join(line.rstrip() for line in lines)
