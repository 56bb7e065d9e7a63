"""Two gated recurrent units without a compiled form: as first published, and without reset gate.

Original (Cho et al. 2014): r = σ(x_r + W_r h)    z = σ(x_z + W_z h)    n = tanh(x_n + W_n (r * h))
Minimal:                    z = σ(x_z + W_z h)    n = tanh(x_n + W_n h)
Both:                       h' = (1 - z) * n + z * h

A loop under autograd costs more than the arithmetic of a small cell: 2.1 times the CPU time of the
passes below for the original unit, and 1.7 times for the minimal one (a training step of 9 replicas
under `vmap`, H 32, T 64, B 32). The minimal one keeps its pass although that is below 2, because
the plain loop rounds differently. The backward passes take the same three steps:

1. how a step's pre-activations move with its state does not depend on the gradient that arrives:
   these slopes are computed for a block of steps at once;
2. the loop back through time multiplies them, in place, by the gradient that is carried, which
   makes them the gradients of the pre-activations, and sends those through the recurrent weight;
3. the gradient of the recurrent weight is one product over all steps.

Inside, time comes first: `[T, B, N]`, or `[T, R, B, N]` for `R` replicas.
"""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from lagbench.kernels.registration import ReplicatedFunction, differentiable_once

sigmoid_backward = torch.ops.aten.sigmoid_backward.grad_input  # (gradient, output, grad_input=)
tanh_backward = torch.ops.aten.tanh_backward.grad_input

_BLOCK = 2**16  # elements of one gate in a block of steps, which then stays in a core's cache


def gru_original_scan(x: Tensor, weight: Tensor, initial: Tensor) -> Tensor:
    """All states `(B, T, H)` from projected inputs `x` `(B, T, 3H)`, in the order r, z, n.

    weight: `W` `(3H, H)` in that order. initial: the state before the first step, `(B, H)`.
    """
    if x.shape[1] == 1:  # takes half the time over a single step
        return gru_original_loop(x, weight, initial)
    hidden: Tensor
    hidden, _, _ = _OriginalGRU.apply(x, weight, initial)  # type: ignore[no-untyped-call]
    return hidden


def gru_original_loop(x: Tensor, weight: Tensor, initial: Tensor) -> Tensor:
    """The plain form of `gru_original_scan`."""
    w_r, w_z, w_n = weight.mT.chunk(3, dim=-1)
    h, states = initial, []
    for x_t in x.unbind(1):
        x_r, x_z, x_n = x_t.chunk(3, dim=-1)
        r, z = torch.sigmoid(x_r + h @ w_r), torch.sigmoid(x_z + h @ w_z)
        n = torch.tanh(x_n + (r * h) @ w_n)
        h = torch.lerp(n, h, z)  # (1 - z) * n + z * h
        states.append(h)
    return torch.stack(states, dim=1)


def gru_minimal_scan(x: Tensor, weight: Tensor, initial: Tensor) -> Tensor:
    """All states `(B, T, H)` from projected inputs `x` `(B, T, 2H)`, in the order z, n.

    weight: `W` `(2H, H)` in that order. initial: the state before the first step, `(B, H)`.
    """
    if x.shape[1] == 1:
        return gru_minimal_loop(x, weight, initial)
    hidden: Tensor
    hidden, _ = _MinimalGRU.apply(x, weight, initial)  # type: ignore[no-untyped-call]
    return hidden


def gru_minimal_loop(x: Tensor, weight: Tensor, initial: Tensor) -> Tensor:
    """The plain form of `gru_minimal_scan`."""
    h, states = initial, []
    for x_t in x.unbind(1):
        z, n = (x_t + h @ weight.mT).chunk(2, dim=-1)
        z, n = torch.sigmoid(z), torch.tanh(n)
        h = torch.lerp(n, h, z)  # (1 - z) * n + z * h
        states.append(h)
    return torch.stack(states, dim=1)


class _OriginalGRU(ReplicatedFunction):
    @staticmethod
    def forward(x: Tensor, weight: Tensor, initial: Tensor) -> tuple[Tensor, ...]:
        H = initial.shape[-1]
        x = time_major(x)
        gates, new, hidden = storage(x, 2 * H), storage(x, H), storage(x, H)
        now = torch.empty_like(gates[0], memory_format=torch.contiguous_format)
        n, reset = torch.empty_like(initial), torch.empty_like(initial)
        r, z = now.chunk(2, dim=-1)
        add, transposed = summation(weight), weight.mT.contiguous()
        to_gates, to_new = transposed[..., : 2 * H], transposed[..., 2 * H :]
        h = initial
        for x_r_and_z, x_n, gates_t, new_t, h_t in zip(
            x[..., : 2 * H].unbind(0), x[..., 2 * H :].unbind(0),
            gates.unbind(0), new.unbind(0), hidden.unbind(0), strict=True,
        ):  # fmt: skip
            add(x_r_and_z, h, to_gates, out=now).sigmoid_()
            gates_t.copy_(now)
            add(x_n, torch.mul(r, h, out=reset), to_new, out=n).tanh_()
            new_t.copy_(n)
            h = torch.lerp(n, h, z, out=h_t)
        return batch_major(hidden), batch_major(gates), batch_major(new)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        ctx.mark_non_differentiable(*output[1:])
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*inputs[1:], *output)

    @staticmethod
    @differentiable_once
    def backward(ctx: Any, gradient: Tensor | None, *_: None) -> tuple[Tensor, ...]:
        weight, initial, *saved = ctx.saved_tensors
        hidden, gates, new = map(time_major, saved)
        H = initial.shape[-1]
        of_gates, of_new = weight[..., : 2 * H, :], weight[..., 2 * H :, :]
        deltas = storage(hidden, 3 * H)
        through_gates, through_new = deltas[..., : 2 * H], deltas[..., 2 * H :]
        carried, arriving = arrivals(gradient, hidden)
        to_reset, to_slots = torch.empty_like(carried), carried.unsqueeze(-2)
        accumulate, multiply = accumulation(weight), torch.matmul
        delta_r, slots, delta_gates, delta_new, reset, keep = (
            deltas[..., :H].unbind(0),
            by_gate(deltas[..., H:], H).unbind(0),
            through_gates.unbind(0),
            through_new.unbind(0),
            gates[..., :H].unbind(0),
            gates[..., H:].unbind(0),
        )
        for block in blocks_backward(hidden, H):
            _original_slopes(
                gates[block], new[block], before(hidden, initial, block), out=deltas[block]
            )
            for t in backward_through(block):
                slots[t].mul_(to_slots)
                multiply(delta_new[t], of_new, out=to_reset)
                delta_r[t].mul_(to_reset)
                torch.addcmul(arriving[t], carried, keep[t], out=carried)
                carried.addcmul_(to_reset, reset[t])
                accumulate(carried, delta_gates[t], of_gates)
        through_reset = gates[..., :H] * before(hidden, initial, slice(0, len(hidden)))
        gradients = (
            weight_gradient(through_gates, hidden, initial),
            outer_products(through_new, through_reset),
        )
        return batch_major(deltas), torch.cat(gradients, dim=-2), carried


def _original_slopes(gates: Tensor, new: Tensor, earlier: Tensor, out: Tensor) -> None:
    """How `x_z` and `x_n` move with the state after the step, and `x_r` with `r * h`."""
    r, z = gates.chunk(2, dim=-1)
    to_r, to_z, to_n = out.chunk(3, dim=-1)
    sigmoid_backward(earlier, r, grad_input=to_r)
    sigmoid_backward(earlier - new, z, grad_input=to_z)
    tanh_backward(1 - z, new, grad_input=to_n)


class _MinimalGRU(ReplicatedFunction):
    @staticmethod
    def forward(x: Tensor, weight: Tensor, initial: Tensor) -> tuple[Tensor, Tensor]:
        H = initial.shape[-1]
        x = time_major(x)
        gates, hidden = storage(x, 2 * H), storage(x, H)
        now = torch.empty_like(x[0], memory_format=torch.contiguous_format)
        z, n = now.chunk(2, dim=-1)
        add, transposed = summation(weight), weight.mT.contiguous()
        h = initial
        for x_t, gates_t, h_t in zip(x.unbind(0), gates.unbind(0), hidden.unbind(0), strict=True):
            add(x_t, h, transposed, out=now)
            h = torch.lerp(n.tanh_(), h, z.sigmoid_(), out=h_t)
            gates_t.copy_(now)
        return batch_major(hidden), batch_major(gates)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        ctx.mark_non_differentiable(output[1])
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*inputs[1:], *output)

    @staticmethod
    @differentiable_once
    def backward(ctx: Any, gradient: Tensor | None, _: None) -> tuple[Tensor, ...]:
        weight, initial, *saved = ctx.saved_tensors
        hidden, gates = map(time_major, saved)
        H = initial.shape[-1]
        deltas = storage(hidden, 2 * H)
        carried, arriving = arrivals(gradient, hidden)
        to_slots = carried.unsqueeze(-2)
        accumulate = accumulation(weight)
        steps, slots = deltas.unbind(0), by_gate(deltas, H).unbind(0)
        keep = gates[..., :H].unbind(0)
        for block in blocks_backward(hidden, H):
            _minimal_slopes(gates[block], before(hidden, initial, block), out=deltas[block])
            for t in backward_through(block):
                slots[t].mul_(to_slots)
                torch.addcmul(arriving[t], carried, keep[t], out=carried)
                accumulate(carried, steps[t], weight)
        return batch_major(deltas), weight_gradient(deltas, hidden, initial), carried


def _minimal_slopes(gates: Tensor, earlier: Tensor, out: Tensor) -> None:
    """How the pre-activations `z, n` move with the state after the step."""
    z, n = gates.chunk(2, dim=-1)
    to_z, to_n = out.chunk(2, dim=-1)
    sigmoid_backward(earlier - n, z, grad_input=to_z)
    tanh_backward(1 - z, n, grad_input=to_n)


def time_major(x: Tensor) -> Tensor:
    """A view `[T, …, B, N]` of `(…, B, T, N)`."""
    return x.movedim(-2, 0)


def batch_major(x: Tensor) -> Tensor:
    """A view `(…, B, T, N)` of `[T, …, B, N]`."""
    return x.movedim(0, -2)


def by_gate(x: Tensor, H: int) -> Tensor:
    """A view `(…, G, H)` of `(…, G * H)`."""
    return torch.unflatten(x, -1, (x.shape[-1] // H, H))


def storage(x: Tensor, width: int) -> Tensor:
    """Uninitialised `[T, …, B, width]` for the steps of `x` `[T, …, B, N]`.

    A replica's steps lie side by side in memory, so that products over all of them need no copy.
    """
    T, *replicas, B, _ = x.shape
    return x.new_empty(*replicas, T, B, width).movedim(-3, 0)


def accumulation(weight: Tensor) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """`a += b @ weight` in place, for a weight `(N, M)` or a stack of them `(R, N, M)`."""
    return torch.Tensor.addmm_ if weight.dim() == 2 else torch.Tensor.baddbmm_


def summation(weight: Tensor) -> Callable[..., Tensor]:
    """`a + b @ weight` into `out`, for a weight `(N, M)` or a stack of them `(R, N, M)`."""
    return torch.addmm if weight.dim() == 2 else torch.baddbmm


def arrivals(gradient: Tensor | None, hidden: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Unpack the gradient `(…, B, T, H)` of the states `hidden` `[T, …, B, H]`; None is zeros.

    Returns a copy of the last step's, where the loop back through time begins, and for each step
    what joins once it is done: the gradient of the state before it, zeros for the initial state.
    """
    if gradient is None:
        gradient = batch_major(torch.zeros_like(hidden))
    steps = gradient.unbind(-2)
    last = steps[-1].clone(memory_format=torch.contiguous_format)
    return last, [torch.zeros_like(last), *steps[:-1]]


def blocks_backward(x: Tensor, width: int) -> Iterator[slice]:
    """Slices of the time of `x` `[T, …, B, N]`, last to first, each short enough for the cache."""
    steps = len(x)
    length = max(1, _BLOCK // max(1, x[0, ..., 0].numel() * width))
    for end in range(steps, 0, -length):
        yield slice(max(0, end - length), end)


def backward_through(block: slice) -> range:
    """The steps of a block, last to first."""
    return range(block.stop - 1, block.start - 1, -1)


def before(states: Tensor, initial: Tensor, block: slice) -> Tensor:
    """The states before the steps of a block, from the states `[T, …, B, H]` after each step."""
    if block.start:
        return states[block.start - 1 : block.stop - 1]
    return torch.cat([initial.unsqueeze(0), states[: block.stop - 1]])


def outer_products(deltas: Tensor, states: Tensor) -> Tensor:
    """Their sum over steps and batch: `[T, …, B, N]`, `[T, …, B, H]` -> `(…, N, H)`."""
    deltas, states = (x.movedim(0, -3).flatten(-3, -2) for x in (deltas, states))
    return deltas.mT @ states


def weight_gradient(deltas: Tensor, states: Tensor, initial: Tensor) -> Tensor:
    """The gradient `(…, N, H)` of a recurrent weight.

    deltas: gradients of the products with it, `[T, …, B, N]`. states: `[T, …, B, H]` after each
    step, which the product of the *next* step reads. initial: `(…, B, H)`.
    """
    later = outer_products(deltas[1:], states[:-1])
    return accumulation(later)(later, deltas[0].mT, initial)
