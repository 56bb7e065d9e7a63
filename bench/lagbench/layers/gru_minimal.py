"""The gated recurrent unit without a reset gate.

z = σ(x_z + W_z h)    n = tanh(x_n + W_n h)    h' = (1 - z) * n + z * h
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
    sigmoid_backward,
    storage,
    summation,
    tanh_backward,
    time_major,
    weight_gradient,
)


def gru_minimal_loop(x: Tensor, weight: Tensor, initial: Tensor) -> Tensor:
    """The obvious loop: what `gru_minimal` computes, on autograd's tape."""
    h, states = initial, []
    for x_t in x.unbind(1):
        z, n = (x_t + h @ weight.mT).chunk(2, dim=-1)
        z, n = torch.sigmoid(z), torch.tanh(n)
        h = torch.lerp(n, h, z)  # (1 - z) * n + z * h
        states.append(h)
    return torch.stack(states, dim=1)


def gru_minimal(x: Tensor, weight: Tensor, initial: Tensor) -> Tensor:
    """All states `(B, T, H)` from projected inputs `x` `(B, T, 2H)`, in the order z, n.

    weight: `W` `(2H, H)` in that order. initial: the state before the first step, `(B, H)`.
    Equals `gru_minimal_loop`.
    """
    if x.shape[1] == 1:
        return gru_minimal_loop(x, weight, initial)
    hidden: Tensor
    hidden, _ = _MinimalGRU.apply(x, weight, initial)  # type: ignore[no-untyped-call]
    return hidden


class _MinimalGRU(Stackable):
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
            _slopes(gates[block], before(hidden, initial, block), out=deltas[block])
            for t in backward_through(block):
                slots[t].mul_(to_slots)
                torch.addcmul(arriving[t], carried, keep[t], out=carried)
                accumulate(carried, steps[t], weight)
        return batch_major(deltas), weight_gradient(deltas, hidden, initial), carried


def _slopes(gates: Tensor, earlier: Tensor, out: Tensor) -> None:
    """How the pre-activations `z, n` move with the state after the step."""
    z, n = gates.chunk(2, dim=-1)
    to_z, to_n = out.chunk(2, dim=-1)
    sigmoid_backward(earlier - n, z, grad_input=to_z)
    tanh_backward(1 - z, n, grad_input=to_n)
