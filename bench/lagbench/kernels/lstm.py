"""The long short-term memory, with or without peepholes; compiled: `lstm.cpp`.

i = σ(x_i + W_i h + p_i * c)    f = σ(x_f + W_f h + p_f * c)    g = tanh(x_g + W_g h)
c' = f * c + i * g              o = σ(x_o + W_o h + p_o * c')    h' = o * tanh(c')
"""

from typing import Any

import torch
from torch import Tensor

from lagbench.kernels.library import empty_like, run, supported
from lagbench.kernels.recurrence import (
    input_sizes,
    project_source,
    runs_compiled,
    sizes,
    swap_steps,
    table_and_source,
    time_major,
)
from lagbench.kernels.registration import operation, register_gradient


def lstm_scan(
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
    `(3, H)`; None: there are none. source: as for `project_source`, with `x` as its table.
    """
    if runs_compiled(x, source, initial.shape[-1]):
        hidden, last, _, _ = _lstm(x, source, weight, initial, cell, peepholes)
        return hidden, last
    return lstm_loop(project_source(x, source), weight, initial, cell, peepholes)


def lstm_loop(
    x: Tensor, weight: Tensor, initial: Tensor, cell: Tensor, peepholes: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """The plain form of `lstm_scan`."""
    p_i, p_f, p_o = (0, 0, 0) if peepholes is None else peepholes
    h, c, states = initial, cell, []
    for x_t in x.unbind(1):
        i, f, g, o = (x_t + h @ weight.mT).chunk(4, dim=-1)
        c_next = torch.sigmoid(f + p_f * c) * c + torch.sigmoid(i + p_i * c) * torch.tanh(g)
        h = torch.sigmoid(o + p_o * c_next) * torch.tanh(c_next)
        c = c_next
        states.append(h)
    return torch.stack(states, dim=1), c


def prefers_onednn(weight: Tensor) -> bool:
    """Whether oneDNN's LSTM is faster on a CPU: in single precision, without the compiled form.

    It takes 0.3 to 0.73 of the time of the plain form; the compiled one takes 0.6 to 0.7 of its.
    """
    single = weight.device.type == "cpu" and weight.dtype == torch.float32
    available: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return single and available and not supported(weight, weight.shape[-1])


@operation
def _lstm(
    x: Tensor,
    source: Tensor | None,
    weight: Tensor,
    initial: Tensor,
    cell: Tensor,
    peepholes: Tensor | None,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """All states and the last cell; and of each step the activated gates in one, and the cell."""
    shape = input_sizes(x, source, initial)
    hidden, gates, cells = (shape.empty_steps(initial, count) for count in (1, 4, 1))
    inputs = *table_and_source(x, source), weight, initial, cell, peepholes
    run("lstm", shape, *inputs, gates, cells, hidden)
    return swap_steps(hidden), cells[..., -1, :, :].clone(), swap_steps(gates), swap_steps(cells)


@operation
def _lstm_backward(
    rows: int,
    source: Tensor | None,
    weight: Tensor,
    initial: Tensor,
    cell: Tensor,
    peepholes: Tensor | None,
    hidden: Tensor,
    gates: Tensor,
    cells: Tensor,
    gradient: Tensor,
    gradient_last: Tensor | None,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """The gradient of the peepholes is empty where there are none."""
    shape = sizes(initial, source, hidden.shape[-2], rows)
    to_x, to_weight, to_initial = (
        shape.empty_inputs(weight),
        empty_like(weight),
        empty_like(initial),
    )
    to_cell = empty_like(cell).copy_(torch.zeros(()) if gradient_last is None else gradient_last)
    to_peepholes = initial.new_empty(0) if peepholes is None else empty_like(peepholes)
    steps = map(swap_steps, (gates, cells, hidden, gradient))
    inputs = time_major(source), weight, initial, cell, peepholes, *steps
    run("lstm_backward", shape, *inputs, to_initial, to_cell, to_x, to_weight, to_peepholes)
    return shape.as_inputs(to_x), to_weight, to_initial, to_cell, to_peepholes


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    x, *others = inputs
    hidden, _, gates, cells = output
    ctx.rows = x.shape[-2]
    ctx.set_materialize_grads(False)
    ctx.save_for_backward(*others, hidden, gates, cells)


def _backward(
    ctx: Any, gradient: Tensor | None, gradient_last: Tensor | None, *_: None
) -> tuple[Tensor | None, ...]:
    peepholes, hidden = ctx.saved_tensors[4:6]
    gradient = torch.zeros_like(hidden) if gradient is None else gradient
    to_x, *others, to_peepholes = _lstm_backward(
        ctx.rows, *ctx.saved_tensors, gradient, gradient_last
    )
    return to_x, None, *others, None if peepholes is None else to_peepholes


register_gradient(_lstm, _setup_context, _backward)
