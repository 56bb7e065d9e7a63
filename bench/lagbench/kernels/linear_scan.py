"""The first-order linear recurrence `h_t = a_t ⊙ h_{t-1} + b_t`, real or complex.

It is computed in linear space. (A scan over logarithms is a parallel one-liner, but rounds badly:
at `T = 4096` with open gates its gradients are off by a fifth.) Step by step, Python would pay for
each of `T` small operations, so time is cut into `2 √T` chunks that advance together:

1. every chunk runs from zero, keeping only where it ends and the product of its `a`;
2. pairs of these are joined over 2, 4, 8, … chunks (Hillis and Steele 1986, "Data parallel
   algorithms"): then all are known that start at the beginning, and so where each chunk starts;
3. every chunk runs again from there and writes its states.

Where a step is large there is a single chunk: the plain loop, without autograd.

The backward pass is the same recurrence from the end of time: with `g_t = dL/db_t`,

    g_t = dL/dh_t + conj(a_{t+1}) g_{t+1},    dL/da_t = g_t conj(h_{t-1}),

where `dL/dh_t` is the gradient of the outputs. It cannot be differentiated twice.
"""

import math
from typing import Any

import torch
from torch import Tensor

from lagbench.kernels.registration import FoldedFunction, differentiable_once

_BUSY = 4096  # elements of one step from which on its work outweighs the call


def linear_scan(a: Tensor, b: Tensor, initial: Tensor | None = None) -> Tensor:
    """All states `h_1 … h_T`, `(B, T, …)`, of `h_t = a_t ⊙ h_{t-1} + b_t`.

    a: as `b`, or with 1 in place of `B` or of `T`: the same for all examples, or for all steps.
    b: `(B, T, …)`, of the same dtype.
    initial: `h_0`, `(B, …)`; None: zeros.
    """
    if initial is None:
        initial = torch.zeros_like(b[:, 0])
    if b.shape[1] == 1:  # when decoding, the machinery would cost more than the step
        return (a[:, 0] * initial + b[:, 0])[:, None]
    states: Tensor
    (states,) = _Scan.apply(a, b, initial)  # type: ignore[no-untyped-call]
    return states


def linear_scan_loop(a: Tensor, b: Tensor, initial: Tensor | None = None) -> Tensor:
    """The plain form of `linear_scan`."""
    state = torch.zeros_like(b[:, 0]) if initial is None else initial
    states = []
    for coefficient, term in zip(a.expand_as(b).unbind(1), b.unbind(1), strict=True):
        state = coefficient * state + term
        states.append(state)
    return torch.stack(states, dim=1)


class _Scan(FoldedFunction):
    @staticmethod
    def forward(a: Tensor, b: Tensor, initial: Tensor) -> tuple[Tensor]:
        states = torch.empty_like(b)
        run(a.expand_as(b), b, initial, states)
        return (states,)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor]) -> None:
        a, _, initial = inputs
        ctx.save_for_backward(a, initial, *output)

    @staticmethod
    @differentiable_once
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        a, initial, states = ctx.saved_tensors
        conjugate = a.conj().resolve_conj().expand_as(states)
        terms = torch.empty_like(states)
        run_back(conjugate, gradient, torch.zeros_like(initial), terms)
        factors = torch.empty_like(states)
        torch.mul(terms[:, 0], initial.conj(), out=factors[:, 0])
        torch.mul(terms[:, 1:], states[:, :-1].conj(), out=factors[:, 1:])
        return factors.sum_to_size(a.shape), terms, conjugate[:, 0] * terms[:, 0]


def run(a: Tensor, b: Tensor, state: Tensor, states: Tensor, backwards: bool = False) -> None:
    """Write the states after `state` into `states`, in the order of time or `backwards`.

    a, b and states: `(B, T, …)`; state: `(B, …)`. Not recorded by autograd.
    """
    steps = range(b.shape[1])[:: -1 if backwards else 1]
    chunks = 1 if state.numel() >= _BUSY else _chunks(len(steps))
    rest = len(steps) % chunks  # steps after the chunks, one by one
    chunked = slice(rest, None) if backwards else slice(len(steps) - rest)
    size = (chunks, len(steps) // chunks)
    a_, b_, states_ = (torch.unflatten(x[:, chunked], 1, size) for x in (a, b, states))
    current = state[:, None] if chunks == 1 else _starts(a_, b_, state, backwards)
    in_order = (x.unbind(2)[:: steps.step] for x in (a_, b_, states_))
    for a_t, b_t, states_t in zip(*in_order, strict=True):
        current = torch.addcmul(b_t, a_t, current, out=states_t)
    state = current[:, 0 if backwards else -1]
    for t in steps[len(steps) - rest :]:
        state = torch.addcmul(b[:, t], a[:, t], state, out=states[:, t])


def _chunks(steps: int) -> int:
    """The number of chunks of time."""
    return max(1, min(steps, 2 * math.isqrt(steps)))


def run_back(a: Tensor, b: Tensor, state: Tensor, states: Tensor) -> None:
    """Write `states_t = b_t + a_{t+1} states_{t+1}`, the last being `b_T + state`.

    Shapes as for `run`. Not recorded by autograd.
    """
    torch.add(b[:, -1], state, out=states[:, -1])
    run(a[:, 1:], b[:, :-1], states[:, -1], states[:, :-1], backwards=True)


def _starts(a: Tensor, b: Tensor, state: Tensor, backwards: bool) -> Tensor:
    """The state before each chunk, `(B, C, …)`, for `a` and `b` in chunks `(B, C, L, …)`."""
    order = slice(None, None, -1 if backwards else 1)
    (ends, products), *others = zip(b.unbind(2)[order], a.unbind(2)[order], strict=True)
    ends, products = ends.clone(), products.clone()
    for b_t, a_t in others:
        torch.addcmul(b_t, a_t, ends, out=ends)
        products.mul_(a_t)
    if backwards:
        ends, products = ends.flip(1), products.flip(1)
    ends[:, 0].addcmul_(products[:, 0], state)
    reach = 1  # chunks that an end and a product cover
    while reach < ends.shape[1]:
        ends[:, reach:] += products[:, reach:] * ends[:, :-reach]
        products[:, reach:] *= products[:, :-reach].clone()
        reach *= 2
    starts = torch.cat([state[:, None], ends[:, :-1]], dim=1)
    return starts.flip(1) if backwards else starts
