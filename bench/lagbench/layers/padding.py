"""The last real step of padded sequences, and their reversal."""

import torch
from torch import Tensor


def last(sequence: Tensor, mask: Tensor | None) -> Tensor:
    """The last real step of `(B, T, N)`: `(B, N)`."""
    if mask is None:
        return sequence[:, -1]
    return _gather_steps(sequence, mask.sum(1, keepdim=True) - 1)[:, 0]


def reverse(sequence: Tensor, mask: Tensor | None) -> Tensor:
    """`(B, T, N)` with the real steps in reverse and the padding where it was; its own inverse."""
    if mask is None:
        return sequence.flip(1)
    steps = torch.arange(mask.shape[1], device=mask.device)
    return _gather_steps(sequence, torch.where(mask, mask.sum(1, keepdim=True) - 1 - steps, steps))


def _gather_steps(sequence: Tensor, steps: Tensor) -> Tensor:
    """`sequence` `(B, T, N)` at `steps` `(B, S)`, as `(B, S, N)`."""
    return sequence.gather(1, steps[..., None].expand(-1, -1, sequence.shape[-1]))
