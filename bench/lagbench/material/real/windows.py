"""A text as a language model reads it: windows, and the symbol that follows each of theirs."""

import torch

from lagbench.contract import Alignment, Batch, DisplayNames, Signature, Split, Tokens, UserError
from lagbench.material.real.examples import Examples, entropy
from lagbench.material.real.source import Found
from lagbench.material.real.splits import parted, portions
from lagbench.material.real.symbols import Kind, Vocabulary, symbols

_DOCUMENTS = 20  # fewer texts than this are parted within, not into whole ones


def windows(found: Found, length: int, kind: Kind, most: int) -> Examples:
    """Texts one after another, an end of line between them, in windows.

    Training draws windows that begin anywhere, validation and test those that lie end to end.
    """
    texts = _texts(found, kind)
    vocabulary = Vocabulary(kind, [texts[Split.TRAIN]], most)
    splits = {}
    for split, text in texts.items():
        numbers = torch.tensor(vocabulary.numbers(text))
        if len(numbers) <= length:
            raise UserError(
                f"The {split} split of {found.place} has {len(numbers)} {kind}, too few for "
                f"a length of {length}."
            )
        rows = numbers.unfold(0, length + 1, 1 if split is Split.TRAIN else length)
        splits[split] = Batch(rows[:, :-1], rows[:, 1:])
    space = Tokens(len(vocabulary.names))
    signature = Signature(
        space, space, Alignment.ALIGNED, steps=length, target_steps=length, causal=True
    )
    counts = {f"{split} {kind}": len(text) for split, text in texts.items()}
    unknown = {f"unknown {kind} of test": vocabulary.unknown([texts[Split.TEST]])}
    chance = entropy(torch.tensor(vocabulary.numbers(texts[Split.TRAIN])))
    reading = DisplayNames(vocabulary.names, vocabulary.names)
    return Examples(signature, splits, chance, reading, {**counts, **unknown})


def _texts(found: Found, kind: Kind) -> dict[Split, list[str]]:
    """The symbols of each split: whole texts where there are many, else stretches of all."""
    missing = [split for split in Split if split not in found.rows]
    train = found.rows[Split.TRAIN]
    if not missing or len(train) >= _DOCUMENTS:
        return {split: _joined(rows, kind) for split, rows in parted(found).items()}
    given = {split: _joined(rows, kind) for split, rows in found.rows.items()}
    return given | portions(given[Split.TRAIN], [Split.TRAIN, *missing])


def _joined(rows: list[tuple[str]], kind: Kind) -> list[str]:
    return symbols("\n".join(text for (text,) in rows), kind)
