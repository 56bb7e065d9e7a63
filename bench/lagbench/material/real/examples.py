"""All examples of a real data set at one length, as tensors, and their lookup by source."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from math import log
from typing import Any

import torch
from torch import Tensor

from lagbench.contract import Batch, DisplayNames, Signature, Split, Tokens, UserError
from lagbench.material.sampling import deal

_CHUNK = 2**22  # numbers that are hashed at once


def source_keys(source: Tensor, mask: Tensor | None) -> Tensor:
    """Return a hash of 64 bits `(N,)` of each source `(N, T)` or `(N, T, W)`, without padding.

    In chunks, since windows that overlap in memory are copied to be hashed.
    """
    size = max(1, _CHUNK // source[0].numel())
    chunks = [slice(start, start + size) for start in range(0, len(source), size)]
    return torch.cat([_hashed(source[at], None if mask is None else mask[at]) for at in chunks])


class KeyIndex:
    """Stored keys, sorted for binary search."""

    def __init__(self, stored: Tensor) -> None:
        self._keys, self._indices = stored.sort(stable=True)

    def matches(self, wanted: Tensor) -> tuple[Tensor, Tensor]:
        """Return all pairs of equal wanted and stored keys, as the indices `(P,)` of both."""
        begin, count = self._ranges(wanted)
        row = torch.arange(len(wanted)).repeat_interleave(count)
        rank = torch.arange(len(row)) - (count.cumsum(0) - count)[row]
        return row, self._indices[begin[row] + rank]

    def holds(self, wanted: Tensor) -> Tensor:
        """Return which of the keys `(M,)` are stored."""
        return self._ranges(wanted)[1] > 0

    def _ranges(self, wanted: Tensor) -> tuple[Tensor, Tensor]:
        """Return where each key begins in sorted order, and how often it occurs."""
        begin = torch.searchsorted(self._keys, wanted)
        return begin, torch.searchsorted(self._keys, wanted, right=True) - begin


def _hashed(source: Tensor, mask: Tensor | None) -> Tensor:
    bits = source.contiguous().view(torch.int32) if source.is_floating_point() else source
    content = bits.reshape(*source.shape[:2], -1).long() + 1
    generator = torch.Generator().manual_seed(0)
    weights = torch.randint(-(2**62), 2**62, content.shape[1:], generator=generator)
    hashed = (content * weights).sum(2)  # overflow wraps around, as it should
    return (hashed if mask is None else hashed * mask).sum(1)


@dataclass(frozen=True, eq=False)
class Examples:
    """The examples of every split at one length, with what a task reports about them.

    chance: the chance level, estimated on the training split.
    names: how sources and targets are displayed.
    counts: statistics of reading, such as how many examples were left out.
    """

    signature: Signature
    splits: Mapping[Split, Batch]
    chance: float
    names: DisplayNames
    counts: Mapping[str, Any]

    def sample(self, count: int, generator: torch.Generator, split: Split) -> Batch:
        """Draw examples of a split, without replacement until all have been drawn."""
        drawn, batch = deal(self.count(split), count, generator), self.splits[split]
        named = ((field.name, getattr(batch, field.name)) for field in fields(batch))
        return replace(batch, **{name: value[drawn] for name, value in named if value is not None})

    def count(self, split: Split) -> int:
        """Return how many examples a split has."""
        return len(self.splits[split].source)

    def answers(self, source: Tensor, mask: Tensor | None) -> Tensor:
        """Count how often each target `(B, U, V)` occurs in stored examples with the same source.

        Labels of real data cannot be computed from first principles, so sources are looked up in
        all splits. Examples with the same source may contradict each other.
        Raises `UserError` if a source is not among the examples.
        """
        assert isinstance(self.signature.target, Tokens)
        wanted, size = source_keys(source, mask), self.signature.target.size
        counts = torch.zeros(len(source), self.signature.target_steps, size, dtype=torch.int64)
        for split, batch in self.splits.items():
            row, match = self._indices[split].matches(wanted)
            target, asked = batch.target[match], torch.ones_like(batch.target[match])
            if batch.target_mask is not None:
                asked = batch.target_mask[match].long()
            step = torch.arange(target.shape[1]).expand_as(target)
            counts.index_put_((row[:, None].expand_as(target), step, target), asked, True)
        if not counts.any(2).any(1).all():
            raise UserError("A source is none of those that were read.")
        return counts

    def summary(self) -> dict[str, Any]:
        """Return the counts, and how many sources are in training too."""
        repeats = {}
        for split in (Split.VALIDATION, Split.TEST):
            batch = self.splits[split]
            keys = source_keys(batch.source, batch.source_mask)
            repeated = self._indices[Split.TRAIN].holds(keys)
            repeats[f"{split} sources that are in training too"] = int(repeated.sum())
        return {**self.counts, **repeats}

    @cached_property
    def _indices(self) -> dict[Split, KeyIndex]:
        return {
            split: KeyIndex(source_keys(batch.source, batch.source_mask))
            for split, batch in self.splits.items()
        }


def drop_unused_masks(splits: Mapping[Split, Batch]) -> tuple[dict[Split, Batch], bool]:
    """Drop the masks if nothing is padded; return the splits, and whether anything is padded."""
    masks = [mask for b in splits.values() for mask in (b.source_mask, b.target_mask)]
    if any(mask is not None and not mask.all() for mask in masks):
        return dict(splits), True
    plain = {s: replace(b, source_mask=None, target_mask=None) for s, b in splits.items()}
    return plain, False


def majority_accuracy(batch: Batch) -> float:
    """Return the accuracy of always answering the most frequent target of each step."""
    mask = batch.target_mask
    asked = torch.ones_like(batch.target, dtype=torch.bool) if mask is None else mask
    columns = zip(batch.target.T, asked.T, strict=True)
    right = sum(int(column[real].bincount().max()) for column, real in columns if real.any())
    return right / int(asked.sum())


def entropy(tokens: Tensor) -> float:
    """Return the entropy in bits of single tokens, of any shape."""
    share = tokens.flatten().bincount().double() / tokens.numel()
    return float(-torch.xlogy(share, share).sum() / log(2))
