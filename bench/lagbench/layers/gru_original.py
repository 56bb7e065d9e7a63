"""The gated recurrent unit with its reset gate before the recurrent product (Cho et al. 2014).

r = σ(x_r + W_r h)    z = σ(x_z + W_z h)    n = tanh(x_n + W_n (r * h))
h' = (1 - z) * n + z * h
"""

from typing import Any

import torch
from torch import Tensor

from lagbench.kernels.autograd import Stackable, differentiable_once
from lagbench.layers.recurrence import (
    accumulation,
    arrivals,
    backward_through,
    batch_major,
    before,
    blocks_backward,
    by_gate,
    outer_products,
    sigmoid_backward,
    storage,
    summation,
    tanh_backward,
    time_major,
    weight_gradient,
)


def gru_original_loop(x: Tensor, weight: Tensor, initial: Tensor) -> Tensor:
    """The obvious loop: what `gru_original` computes, on autograd's tape."""
    w_r, w_z, w_n = weight.mT.chunk(3, dim=-1)
    h, states = initial, []
    for x_t in x.unbind(1):
        x_r, x_z, x_n = x_t.chunk(3, dim=-1)
        r, z = torch.sigmoid(x_r + h @ w_r), torch.sigmoid(x_z + h @ w_z)
        n = torch.tanh(x_n + (r * h) @ w_n)
        h = torch.lerp(n, h, z)  # (1 - z) * n + z * h
        states.append(h)
    return torch.stack(states, dim=1)


def gru_original(x: Tensor, weight: Tensor, initial: Tensor) -> Tensor:
    """All states `(B, T, H)` from projected inputs `x` `(B, T, 3H)`, in the order r, z, n.

    weight: `W` `(3H, H)` in that order. initial: the state before the first step, `(B, H)`.
    Equals `gru_original_loop`.
    """
    if x.shape[1] == 1:
        return gru_original_loop(x, weight, initial)
    hidden: Tensor
    hidden, _, _ = _OriginalGRU.apply(x, weight, initial)  # type: ignore[no-untyped-call]
    return hidden


class _OriginalGRU(Stackable):
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
            _slopes(gates[block], new[block], before(hidden, initial, block), out=deltas[block])
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


def _slopes(gates: Tensor, new: Tensor, earlier: Tensor, out: Tensor) -> None:
    """How `x_z` and `x_n` move with the state after the step, and `x_r` with `r * h`."""
    r, z = gates.chunk(2, dim=-1)
    to_r, to_z, to_n = out.chunk(3, dim=-1)
    sigmoid_backward(earlier, r, grad_input=to_r)
    sigmoid_backward(earlier - new, z, grad_input=to_z)
    tanh_backward(1 - z, new, grad_input=to_n)
