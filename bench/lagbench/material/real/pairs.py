"""Pairs of texts, the one to be translated into the other."""

from lagbench.contract import Alignment, Batch, DisplayNames, Signature, Split, Tokens
from lagbench.material.real.examples import Examples, likeliest, masked
from lagbench.material.real.length_range import Band, padded
from lagbench.material.real.source import Found
from lagbench.material.real.splits import parted
from lagbench.material.real.symbols import Kind, Vocabulary, symbols

_END = "<end>"


def pairs(found: Found, length: int, kind: Kind, most: int, band: Band) -> Examples:
    """Texts, each with another that an end follows; a vocabulary for either side."""
    rows = {
        split: [tuple(symbols(text, kind) for text in pair) for pair in part]
        for split, part in parted(found).items()
    }
    kept, counts = band.within(found.place, rows)
    read, written = (
        Vocabulary(kind, (pair[side] for pair in rows[Split.TRAIN]), most) for side in (0, 1)
    )
    end = len(written.names)
    splits = {}
    for split, part in kept.items():
        source, source_mask = padded([read.numbers(text) for text, _ in part], length)
        ended = [[*written.numbers(text), end] for _, text in part]
        target, target_mask = padded(ended, length + 1)
        splits[split] = Batch(source, target, source_mask, target_mask)
    splits, padding = masked(splits)
    signature = Signature(
        Tokens(len(read.names)),
        Tokens(end + 1, end=end),
        Alignment.FREE,
        steps=length,
        target_steps=length + 1,
        padded=padding,
    )
    unknown = {
        f"unknown {kind} of test {what}": vocabulary.unknown(
            pair[side] for pair in kept[Split.TEST]
        )
        for side, what, vocabulary in ((0, "sources", read), (1, "targets", written))
    }
    reading = DisplayNames(read.names, [*written.names, _END])
    chance = likeliest(splits[Split.TRAIN])
    return Examples(signature, splits, chance, reading, {**counts, **unknown})
