"""The gated recurrent unit, its reset gate after the recurrent product (as cuDNN computes it).

r = σ(x_r + W_r h)    z = σ(x_z + W_z h)    n = tanh(x_n + r * (W_n h + b))
h' = (1 - z) * n + z * h
"""

from typing import Any

import torch
from torch import Tensor

from lagbench.kernels import recurrences as compiled
from lagbench.kernels.autograd import Stackable, differentiable_once
from lagbench.kernels.library import serves
from lagbench.layers.recurrence import (
    accumulation,
    arrivals,
    backward_through,
    batch_major,
    before,
    blocks_backward,
    by_gate,
    rows_of,
    sigmoid_backward,
    storage,
    summation,
    tanh_backward,
    time_major,
    unless_compiled,
    weight_gradient,
)


def gru_loop(x: Tensor, weight: Tensor, bias: Tensor, initial: Tensor) -> Tensor:
    """The obvious loop: what `gru` computes, on autograd's tape."""
    h, states = initial, []
    for x_t in x.unbind(1):
        x_r, x_z, x_n = x_t.chunk(3, dim=-1)
        h_r, h_z, h_n = (h @ weight.mT).chunk(3, dim=-1)
        r, z = torch.sigmoid(x_r + h_r), torch.sigmoid(x_z + h_z)
        n = torch.tanh(x_n + r * (h_n + bias))
        h = torch.lerp(n, h, z)  # (1 - z) * n + z * h
        states.append(h)
    return torch.stack(states, dim=1)


def gru(
    x: Tensor, weight: Tensor, bias: Tensor, initial: Tensor, source: Tensor | None = None
) -> Tensor:
    """All states `(B, T, H)` from projected inputs `x` `(B, T, 3H)`, in the order r, z, n.

    weight: `W` `(3H, H)` in that order. bias: `b` `(H,)`. initial: the state before the first
    step, `(B, H)`. source: what `projected` takes, with `x` as its table. Equals `gru_loop`.
    """
    x, source = unless_compiled(x, source, len(bias))
    if source is None and x.shape[1] == 1:
        return gru_loop(x, weight, bias, initial)
    hidden: Tensor
    hidden, _, _ = _GRU.apply(x, source, weight, bias, initial)  # type: ignore[no-untyped-call]
    return hidden


class _GRU(Stackable):
    @staticmethod
    def forward(
        x: Tensor, source: Tensor | None, weight: Tensor, bias: Tensor, initial: Tensor
    ) -> tuple[Tensor, ...]:
        H = initial.shape[-1]
        if serves(x, H):
            return tuple(compiled.gru(x, source, weight, bias, initial))
        x = time_major(x)
        gates, new, hidden = storage(x, 3 * H), storage(x, H), storage(x, H)
        gates[..., : 2 * H].copy_(x[..., : 2 * H])
        gates[..., 2 * H :] = bias.unsqueeze(-2)
        now = torch.empty_like(gates[0], memory_format=torch.contiguous_format)
        r_and_z, (r, z, h_n) = now[..., : 2 * H], now.chunk(3, dim=-1)
        add, transposed = summation(weight), weight.mT.contiguous()
        h = initial
        for gates_t, x_n, n, h_t in zip(
            gates.unbind(0), x[..., 2 * H :].unbind(0), new.unbind(0), hidden.unbind(0), strict=True
        ):
            add(gates_t, h, transposed, out=now)
            r_and_z.sigmoid_()
            gates_t.copy_(now)
            torch.addcmul(x_n, r, h_n, out=n).tanh_()
            h = torch.lerp(n, h, z, out=h_t)
        return batch_major(hidden), batch_major(gates), batch_major(new)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        x, source, weight, _, initial = inputs
        ctx.rows = rows_of(x, source)
        ctx.mark_non_differentiable(*output[1:])
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(source, weight, initial, *output)

    @staticmethod
    @differentiable_once
    def backward(ctx: Any, gradient: Tensor | None, *_: None) -> tuple[Tensor | None, ...]:
        _, weight, initial, hidden, gates, new = saved = ctx.saved_tensors
        H = initial.shape[-1]
        if serves(hidden, H):
            gradient = torch.zeros_like(hidden) if gradient is None else gradient
            to_x, *others = compiled.gru_backward(ctx.rows, *saved, gradient)
            return to_x, None, *others
        # of four slots, h_n, r, z, x_n: the first three went through W, the last three are of x
        deltas, carried = _deltas(weight, initial, hidden, gates, new, gradient)
        deltas = time_major(deltas)
        gradient_rolled = weight_gradient(deltas[..., : 3 * H], time_major(hidden), initial)
        return (
            batch_major(deltas[..., H:]),
            None,
            torch.cat([gradient_rolled[..., H:, :], gradient_rolled[..., :H, :]], dim=-2),
            deltas[..., :H].sum((0, -2)),
            carried,
        )


def _deltas(
    weight: Tensor,
    initial: Tensor,
    hidden: Tensor,
    gates: Tensor,
    new: Tensor,
    gradient: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """Gradients of the pre-activations `h_n, r, z, x_n` in one, and of the initial state."""
    hidden, gates, new = map(time_major, (hidden, gates, new))
    H = initial.shape[-1]
    rolled = torch.cat([weight[..., 2 * H :, :], weight[..., : 2 * H, :]], dim=-2)
    deltas = storage(hidden, 4 * H)
    carried, arriving = arrivals(gradient, hidden)
    to_slots = carried.unsqueeze(-2)
    accumulate = accumulation(weight)
    slots, through, keep = (
        by_gate(deltas, H).unbind(0),
        deltas[..., : 3 * H].unbind(0),
        gates[..., H : 2 * H].unbind(0),
    )
    for block in blocks_backward(hidden, H):
        _slopes(gates[block], new[block], before(hidden, initial, block), out=deltas[block])
        for t in backward_through(block):
            slots[t].mul_(to_slots)
            torch.addcmul(arriving[t], carried, keep[t], out=carried)
            accumulate(carried, through[t], rolled)
    return batch_major(deltas), carried


def _slopes(gates: Tensor, new: Tensor, earlier: Tensor, out: Tensor) -> None:
    """How the pre-activations `h_n, r, z, x_n` move with the state after the step."""
    H = new.shape[-1]
    r, z, h_n = gates.chunk(3, dim=-1)
    r_and_z, to_r_and_z = gates[..., : 2 * H], out[..., H : 3 * H]
    to_h_n, to_r, to_z, to_x_n = out.chunk(4, dim=-1)
    torch.sub(new.new_ones(()), z, out=to_x_n)
    tanh_backward(to_x_n, new, grad_input=to_x_n)
    torch.mul(to_x_n, r, out=to_h_n)
    torch.mul(to_x_n, h_n, out=to_r)
    torch.sub(earlier, new, out=to_z)
    sigmoid_backward(to_r_and_z, r_and_z, grad_input=to_r_and_z)
