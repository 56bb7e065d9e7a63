"""The selective scan of Mamba, without holding all of its states.

For each of `E` channels, `N` states, and steps `Δ`, inputs `B` and outputs `C` that depend on `x`:

    h_t = exp(Δ_t A) ⊙ h_{t-1} + (Δ_t x_t) B_tᵀ,    y_t = h_t C_t

(Gu and Dao 2023, arXiv:2312.00752, equation 2, discretised as in their section 3.3 and code.)
The states of all steps are `N` times as large as input and output. As the authors' kernel does, we
keep only those at the start of each chunk of time, and compute a chunk that fits the cache again in
the backward pass. It cannot be differentiated twice.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from lagbench.kernels.linear_scan import linear_scan_loop, run, run_back
from lagbench.kernels.registration import FoldedFunction, differentiable_once

_CACHED = 2**18  # elements of all states of one chunk


def selective_scan(
    delta: Tensor, x: Tensor, A: Tensor, B: Tensor, C: Tensor, initial: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Outputs `y` `(B, T, E)` and the last state `(B, E, N)`.

    delta, x: `(B, T, E)`; A: `(E, N)`; B, C: `(B, T, N)`; initial: `(B, E, N)`; None: zeros.
    """
    if initial is None:
        initial = x.new_zeros(len(x), *A.shape)
    inputs = delta, x, A[None], B, C, initial
    y, state, _ = _SelectiveScan.apply(*inputs)  # type: ignore[no-untyped-call]
    return y, state


def selective_scan_loop(
    delta: Tensor, x: Tensor, A: Tensor, B: Tensor, C: Tensor, initial: Tensor
) -> tuple[Tensor, Tensor]:
    """The plain form of `selective_scan`."""
    terms = (delta * x)[..., None] * B[:, :, None]
    states = linear_scan_loop(torch.exp(delta[..., None] * A), terms, initial)
    return (states * C[:, :, None]).sum(-1), states[:, -1]


class _SelectiveScan(FoldedFunction):
    """As `selective_scan`, with `A` `(B or 1, E, N)`; and the states before each chunk."""

    @staticmethod
    def forward(
        delta: Tensor, x: Tensor, A: Tensor, B: Tensor, C: Tensor, initial: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        y, starts = torch.empty_like(x), [initial]
        for now in _chunks(x, A):
            _, states = _states(delta[:, now], x[:, now], A, B[:, now], starts[-1])
            y[:, now] = (states @ C[:, now, :, None]).squeeze(-1)
            starts.append(states[:, -1].clone())
        return y, starts.pop(), torch.stack(starts, dim=1)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor, ...]) -> None:
        ctx.mark_non_differentiable(output[2])
        ctx.save_for_backward(*inputs[:-1], output[2])

    @staticmethod
    @differentiable_once
    def backward(ctx: Any, *output_gradients: Tensor) -> tuple[Tensor, ...]:
        delta, x, A, B, C, starts = ctx.saved_tensors
        y_gradient, carried, _ = output_gradients
        gradients = [torch.zeros_like(value) for value in (A, delta, x, B, C)]
        for chunk, now in reversed(list(enumerate(_chunks(x, A)))):
            sequences = (value[:, now] for value in (delta, x, B, C, y_gradient))
            parts, carried = _chunk_gradients(A, starts[:, chunk], carried, *sequences)
            gradients[0] += parts[0]
            for sequence, part in zip(gradients[1:], parts[1:], strict=True):
                sequence[:, now] = part
        dA, ddelta, dx, dB, dC = gradients
        return ddelta, dx, dA, dB, dC, carried


def _chunks(x: Tensor, A: Tensor) -> Iterator[slice]:
    """Slices of time whose states together stay in the cache."""
    length = max(1, _CACHED // (len(x) * A[0].numel()))
    for start in range(0, x.shape[1], length):
        yield slice(start, start + length)


def _states(
    delta: Tensor, x: Tensor, A: Tensor, B: Tensor, before: Tensor
) -> tuple[Tensor, Tensor]:
    """The factors `exp(Δ A)` and the states of one chunk, `(B, L, E, N)` each."""
    factors = (delta[..., None] * A[:, None]).exp_()
    states = (delta * x)[..., None] * B[:, :, None]
    run(factors, states, before, states)
    return factors, states


def _chunk_gradients(
    A: Tensor, before: Tensor, after: Tensor, delta: Tensor, x: Tensor, B: Tensor, C: Tensor,
    dy: Tensor,
) -> tuple[tuple[Tensor, ...], Tensor]:  # fmt: skip
    """Of `A, Δ, x, B, C`, and of the state before a chunk, from those of `y` and of that `after`.

    Every `(B, L, E, N)` tensor is used up in place.
    """
    factors, states = _states(delta, x, A, B, before)
    dC = dy[:, :, None] @ states
    dterms = dy[..., None] * C[:, :, None]
    run_back(factors, dterms, after, dterms)
    dbefore = factors[:, 0] * dterms[:, 0]
    dB = (delta * x)[:, :, None] @ dterms
    dproduct = (dterms @ B[..., None]).squeeze(-1)  # of Δ x
    dexponents = dterms.mul_(factors)  # of Δ A
    dexponents[:, 0].mul_(before)
    dexponents[:, 1:].mul_(states[:, :-1])
    ddelta = torch.mul(dexponents, A[:, None], out=states).sum(-1).addcmul_(dproduct, x)
    dA = dexponents.mul_(delta[..., None]).sum(1).sum_to_size(A.shape)
    return (dA, ddelta, dproduct * delta, dB.squeeze(2), dC.squeeze(2)), dbefore
