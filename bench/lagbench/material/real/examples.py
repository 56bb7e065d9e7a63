"""All examples that a source has at one length, as tensors, and what is known of them."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from math import log
from typing import Any

import torch
from torch import Tensor

from lagbench.contract import Batch, DisplayNames, Signature, Split, Tokens, UserError
from lagbench.material.drawing import deal
from lagbench.material.real import lookup


@dataclass(frozen=True, eq=False)
class Examples:
    """What a task over real data says and draws at one length.

    chance: of the training split, which is what a guess can be made from.
    counts: what came up in reading, such as how many were left out.
    """

    signature: Signature
    splits: Mapping[Split, Batch]
    chance: float
    reading: DisplayNames
    counts: Mapping[str, Any]

    def sample(self, count: int, generator: torch.Generator, split: Split) -> Batch:
        """Draw examples of a split, none a second time before all have been drawn."""
        drawn, batch = deal(self.count(split), count, generator), self.splits[split]
        named = ((field.name, getattr(batch, field.name)) for field in fields(batch))
        return replace(batch, **{name: value[drawn] for name, value in named if value is not None})

    def count(self, split: Split) -> int:
        """How many there are."""
        return len(self.splits[split].source)

    def answers(self, source: Tensor, mask: Tensor | None) -> Tensor:
        """How often each target `(B, U, V)` is the one asked for, by stored examples of a source.

        What a text or a heartbeat means cannot be computed from first principles, so the source is
        looked up in all splits, as a whole. Examples that are read alike may contradict each other.
        Raises `UserError` where a source is none of those that were read.
        """
        wanted, size = lookup.keys(source, mask), self._symbols
        counts = torch.zeros(len(source), self.signature.target_steps, size, dtype=torch.int64)
        for split, batch in self.splits.items():
            row, place = self._indices[split].matches(wanted)
            target, asked = batch.target[place], torch.ones_like(batch.target[place])
            if batch.target_mask is not None:
                asked = batch.target_mask[place].long()
            step = torch.arange(target.shape[1]).expand_as(target)
            counts.index_put_((row[:, None].expand_as(target), step, target), asked, True)
        if not counts.any(2).any(1).all():
            raise UserError("A source is none of those that were read.")
        return counts

    @property
    def _symbols(self) -> int:
        assert isinstance(self.signature.target, Tokens)
        return self.signature.target.size

    def facts(self) -> dict[str, Any]:
        """The counts, with the number of examples and of repeats between the splits."""
        repeats = {}
        for split in (Split.VALIDATION, Split.TEST):
            batch = self.splits[split]
            keys = lookup.keys(batch.source, batch.source_mask)
            repeated = self._indices[Split.TRAIN].holds(keys)
            repeats[f"{split} sources that are in training too"] = int(repeated.sum())
        return {**self.counts, **repeats}

    @cached_property
    def _indices(self) -> dict[Split, lookup.Index]:
        return {
            split: lookup.Index(lookup.keys(batch.source, batch.source_mask))
            for split, batch in self.splits.items()
        }


def masked(splits: Mapping[Split, Batch]) -> tuple[dict[Split, Batch], bool]:
    """The splits without their masks where nothing is padded, and whether anything is."""
    masks = [mask for b in splits.values() for mask in (b.source_mask, b.target_mask)]
    if any(mask is not None and not mask.all() for mask in masks):
        return dict(splits), True
    plain = {s: replace(b, source_mask=None, target_mask=None) for s, b in splits.items()}
    return plain, False


def likeliest(batch: Batch) -> float:
    """The accuracy of the likeliest target at each step."""
    mask = batch.target_mask
    asked = torch.ones_like(batch.target, dtype=torch.bool) if mask is None else mask
    columns = zip(batch.target.T, asked.T, strict=True)
    right = sum(int(column[real].bincount().max()) for column, real in columns if real.any())
    return right / int(asked.sum())


def entropy(tokens: Tensor) -> float:
    """Bits that a token takes, of tokens of any shape taken one by one."""
    share = tokens.flatten().bincount().double() / tokens.numel()
    return float(-torch.xlogy(share, share).sum() / log(2))
