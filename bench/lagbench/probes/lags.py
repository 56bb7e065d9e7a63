"""Lags: from which step a target is answered, and which lags a probe looks at."""

import math

import torch
from torch import Tensor

from lagbench.contract import Alignment, Batch

EXACT_UP_TO = 8  # lags up to here have a bin each; further bins grow by half an octave


def lag_bin(lag: int) -> int:
    """The bin of a lag: one each up to `EXACT_UP_TO`, then two to the octave."""
    if lag <= EXACT_UP_TO:
        return lag
    return EXACT_UP_TO + math.ceil(2 * math.log2(lag / EXACT_UP_TO) - 1e-9)


def chosen_lags(longest: int, every: bool = False) -> list[int]:
    """The lags at which a curve is read off: the largest of every bin, `longest` the last.

    every: all lags instead.
    """
    if every:
        return [*range(longest + 1)]
    return [k for k in range(longest + 1) if k == longest or lag_bin(k) < lag_bin(k + 1)]


def source_lengths(batch: Batch) -> Tensor:
    """How many real source steps each example has: `(B,)`."""
    if batch.source_mask is not None:
        return batch.source_mask.sum(1)
    return torch.full(batch.source.shape[:1], batch.source.shape[1], device=batch.source.device)


def answering_steps(batch: Batch, alignment: Alignment) -> Tensor:
    """The step `(B, U)` from which each target counts its lag, as `Batch.lag` says."""
    lengths = source_lengths(batch)[:, None]
    places = torch.arange(batch.target.shape[1], device=lengths.device).expand(len(lengths), -1)
    match alignment:
        case Alignment.POOLED:
            return lengths - 1 + 0 * places
        case Alignment.ALIGNED:
            return places
        case Alignment.FREE:
            return lengths + places


def target_loss_mask(batch: Batch) -> Tensor:
    """Which targets are asked for: `(B, U)` bool."""
    if batch.target_mask is not None:
        return batch.target_mask
    shape = batch.target.shape[:2]
    return torch.ones(shape, dtype=torch.bool, device=batch.target.device)
