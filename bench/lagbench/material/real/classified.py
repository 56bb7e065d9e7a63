"""Sequences with a class each: texts, and signals."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from lagbench.contract import (
    Alignment,
    Batch,
    DisplayNames,
    Reals,
    Signature,
    Split,
    Tokens,
    UserError,
)
from lagbench.material.real.examples import Examples, likeliest, masked
from lagbench.material.real.length_range import Band, padded
from lagbench.material.real.source import Found
from lagbench.material.real.splits import parted
from lagbench.material.real.symbols import Kind, Vocabulary, symbols


def texts(found: Found, length: int, kind: Kind, most: int, band: Band) -> Examples:
    """Texts as symbols, with a class each."""
    rows = {
        split: [(symbols(text, kind), [label]) for text, label in part]
        for split, part in parted(found).items()
    }
    vocabulary = Vocabulary(kind, (text for text, _ in rows[Split.TRAIN]), most)
    kept, counts = band.within(found.place, rows)
    sources = {
        split: padded([vocabulary.numbers(text) for text, _ in part], length)
        for split, part in kept.items()
    }
    unknown = {f"unknown {kind} of test": vocabulary.unknown(text for text, _ in kept[Split.TEST])}
    labels = {split: [label for _, (label,) in part] for split, part in kept.items()}
    space = Tokens(len(vocabulary.names))
    return _classified(found, space, sources, labels, vocabulary.names, {**counts, **unknown})


def signals(found: Found, length: int, band: Band) -> Examples:
    """Signals with a class each, at the mean and the spread of the training split."""
    rows = {
        split: [(signal, [label]) for signal, label in part]
        for split, part in parted(found).items()
    }
    kept, counts = band.within(found.place, rows)
    known = torch.tensor([value for signal, _ in rows[Split.TRAIN] for value in signal])
    sources = {}
    for split, part in kept.items():
        trace, mask = padded([signal for signal, _ in part], length)
        scaled = (trace - known.mean()) / known.std(correction=0).clamp(min=1e-6)
        sources[split] = (scaled * mask)[..., None], mask
    labels = {split: [label for _, (label,) in part] for split, part in kept.items()}
    return _classified(found, Reals(1), sources, labels, [], counts)


def _classified(
    found: Found,
    space: Tokens | Reals,
    sources: Mapping[Split, tuple[Tensor, Tensor]],
    labels: Mapping[Split, list[Any]],
    names: list[str],
    counts: Mapping[str, Any],
) -> Examples:
    """Sources `(N, T, …)` with their masks and labels, as examples of a pooled task."""
    trained = sorted(set(labels[Split.TRAIN]))
    if len(trained) == 1:
        raise UserError(f"{found.place} has one class only in training: {trained[0]!r}.")
    classes = sorted({label for part in found.rows.values() for *_, label in part})
    numbers = {label: number for number, label in enumerate(classes)}
    splits, padding = masked(
        {
            split: Batch(source, torch.tensor([[numbers[label]] for label in labels[split]]), mask)
            for split, (source, mask) in sources.items()
        }
    )
    signature = Signature(
        space,
        Tokens(len(classes)),
        Alignment.POOLED,
        steps=next(iter(sources.values()))[0].shape[1],
        padded=padding,
    )
    untrained = {
        f"{split} examples of classes not in training": sum(x not in trained for x in labels[split])
        for split in (Split.VALIDATION, Split.TEST)
    }
    reading = DisplayNames(names, [str(label) for label in classes])
    chance = likeliest(splits[Split.TRAIN])
    return Examples(signature, splits, chance, reading, {**counts, **untrained})
