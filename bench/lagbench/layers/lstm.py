"""The long short-term memory, with or without peepholes.

i = σ(x_i + W_i h + p_i * c)    f = σ(x_f + W_f h + p_f * c)    g = tanh(x_g + W_g h)
c' = f * c + i * g              o = σ(x_o + W_o h + p_o * c')    h' = o * tanh(c')
"""

from typing import Any

import torch
from torch import Tensor

from lagbench.kernels import recurrences as compiled
from lagbench.kernels.autograd import Stackable, differentiable_once
from lagbench.kernels.library import serves
from lagbench.layers.recurrence import (
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


def lstm_loop(
    x: Tensor, weight: Tensor, initial: Tensor, cell: Tensor, peepholes: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """The obvious loop: what `lstm` computes, on autograd's tape."""
    p_i, p_f, p_o = (0, 0, 0) if peepholes is None else peepholes
    h, c, states = initial, cell, []
    for x_t in x.unbind(1):
        i, f, g, o = (x_t + h @ weight.mT).chunk(4, dim=-1)
        c_next = torch.sigmoid(f + p_f * c) * c + torch.sigmoid(i + p_i * c) * torch.tanh(g)
        h = torch.sigmoid(o + p_o * c_next) * torch.tanh(c_next)
        c = c_next
        states.append(h)
    return torch.stack(states, dim=1), c


def lstm(
    x: Tensor,
    weight: Tensor,
    initial: Tensor,
    cell: Tensor,
    peepholes: Tensor | None = None,
    source: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """All states `(B, T, H)` and the last cell `(B, H)`.

    x: projected inputs `(B, T, 4H)`, in the order i, f, g, o. weight: `W` `(4H, H)` in that order.
    initial, cell: `h` and `c` before the first step, `(B, H)` each. peepholes: `p_i, p_f, p_o` as
    `(3, H)`; None: there are none. source: what `projected` takes, with `x` as its table. Equals
    `lstm_loop`.
    """
    x, source = unless_compiled(x, source, initial.shape[1])
    if source is None and x.shape[1] == 1:
        return lstm_loop(x, weight, initial, cell, peepholes)
    hidden, last, *_ = _LSTM.apply(  # type: ignore[no-untyped-call]
        x, source, weight, initial, cell, peepholes
    )
    return hidden, last


class _LSTM(Stackable):
    @staticmethod
    def forward(
        x: Tensor,
        source: Tensor | None,
        weight: Tensor,
        initial: Tensor,
        cell: Tensor,
        peepholes: Tensor | None,
    ) -> tuple[Tensor, ...]:
        H = initial.shape[-1]
        if serves(x, H):
            hidden, gates, cells = compiled.lstm(x, source, weight, initial, cell, peepholes)
            return hidden, cells[..., -1, :].clone(), gates, cells
        x = time_major(x)
        gates, cells, hidden = storage(x, 4 * H), storage(x, H), storage(x, H)
        now = torch.empty_like(x[0], memory_format=torch.contiguous_format)
        i_and_f, (i, f, g, o) = now[..., : 2 * H], now.chunk(4, dim=-1)
        tanh_c = torch.empty_like(initial)
        add, transposed = summation(weight), weight.mT.contiguous()
        p = None if peepholes is None else _each(peepholes)
        h, c = initial, cell
        for x_t, gates_t, c_t, h_t in zip(
            x.unbind(0), gates.unbind(0), cells.unbind(0), hidden.unbind(0), strict=True
        ):
            add(x_t, h, transposed, out=now)
            if p is not None:
                i.addcmul_(c, p[0])
                f.addcmul_(c, p[1])
            i_and_f.sigmoid_()
            c = torch.mul(f, c, out=c_t).addcmul_(i, g.tanh_())
            if p is not None:
                o.addcmul_(c, p[2])
            torch.tanh(c, out=tanh_c)
            h = torch.mul(o.sigmoid_(), tanh_c, out=h_t)
            gates_t.copy_(now)
        return batch_major(hidden), c.clone(), batch_major(gates), batch_major(cells)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        hidden, _, gates, cells = output
        ctx.rows = rows_of(*inputs[:2])
        ctx.mark_non_differentiable(gates, cells)
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*inputs[1:], hidden, gates, cells)

    @staticmethod
    @differentiable_once
    def backward(
        ctx: Any, gradient: Tensor | None, gradient_last: Tensor | None, *_: None
    ) -> tuple[Tensor | None, ...]:
        _, weight, initial, cell, peepholes, hidden, gates, cells = saved = ctx.saved_tensors
        if serves(cells, cell.shape[-1]):
            gradient = torch.zeros_like(hidden) if gradient is None else gradient
            made = compiled.lstm_backward(ctx.rows, *saved, gradient, gradient_last)
            to_x, *others, to_peepholes = made
            return to_x, None, *others, None if peepholes is None else to_peepholes
        deltas, carried, carried_c = _deltas(
            weight, peepholes, cell, gates, cells, gradient, gradient_last
        )
        slots, cells = time_major(deltas), time_major(cells)
        return (
            deltas,
            None,
            weight_gradient(slots, time_major(hidden), initial),
            carried,
            carried_c,
            None if peepholes is None else _peephole_gradient(slots, cells, cell),
        )


def _deltas(
    weight: Tensor,
    peepholes: Tensor | None,
    cell: Tensor,
    gates: Tensor,
    cells: Tensor,
    gradient: Tensor | None,
    gradient_last: Tensor | None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of the pre-activations, of the initial state and of the initial cell."""
    gates, cells = map(time_major, (gates, cells))
    H = cells.shape[-1]
    carried, arriving = arrivals(gradient, cells)
    carried_c = torch.zeros_like(carried)
    if gradient_last is not None:
        carried_c.copy_(gradient_last)
    deltas, add = storage(cells, 4 * H), summation(weight)
    steps, by_cell, by_hidden = (
        deltas.unbind(0),
        by_gate(deltas[..., : 3 * H], H).unbind(0),
        deltas[..., 3 * H :].unbind(0),
    )
    to_slots = carried_c.unsqueeze(-2)
    for block in blocks_backward(cells, H):
        earlier = before(cells, cell, block)
        to_cell, keep = _slopes(gates[block], cells[block], earlier, peepholes, out=deltas[block])
        for t in backward_through(block):
            carried_c.addcmul_(carried, to_cell[t - block.start])
            by_hidden[t].mul_(carried)
            by_cell[t].mul_(to_slots)
            carried_c.mul_(keep[t - block.start])
            add(arriving[t], steps[t], weight, out=carried)
    return batch_major(deltas), carried, carried_c


def _slopes(
    gates: Tensor, cells: Tensor, earlier: Tensor, peepholes: Tensor | None, out: Tensor
) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """How the pre-activations `i, f, g` move with the cell, and `o` with the state.

    Returns for each step how the cell moves with the state, and the cell before with the cell.
    """
    H = cells.shape[-1]
    i, f, g, o = gates.chunk(4, dim=-1)
    to_i, to_f, to_g, to_o = out.chunk(4, dim=-1)
    i_and_f, to_i_and_f = gates[..., : 2 * H], out[..., : 2 * H]
    to_i.copy_(g)
    to_f.copy_(earlier)
    sigmoid_backward(to_i_and_f, i_and_f, grad_input=to_i_and_f)
    tanh_backward(i, g, grad_input=to_g)
    tanh_c = cells.tanh()
    sigmoid_backward(tanh_c, o, grad_input=to_o)
    to_cell = tanh_backward(o, tanh_c, grad_input=tanh_c)
    if peepholes is not None:
        p_i, p_f, p_o = _each(peepholes)
        to_cell.addcmul_(to_o, p_o)
        f = f + to_i * p_i + to_f * p_f
    return to_cell.unbind(0), f.unbind(0)


def _each(peepholes: Tensor) -> tuple[Tensor, ...]:
    """`p_i, p_f, p_o`, each `(…, 1, H)`, to be spread over a batch."""
    return peepholes.unsqueeze(-2).unbind(-3)


def _peephole_gradient(deltas: Tensor, cells: Tensor, cell: Tensor) -> Tensor:
    """`(…, 3, H)`, summed over steps and batch."""
    i, f, _, o = deltas.chunk(4, dim=-1)
    earlier = before(cells, cell, slice(0, len(cells)))
    products = (i * earlier, f * earlier, o * cells)
    return torch.stack([product.sum((0, -2)) for product in products], dim=-2)
