"""The simple recurrence `h_t = φ(x_t + W h_{t-1})`, with `φ` tanh or relu; compiled: `rnn.cpp`."""

from typing import Any

import torch
from torch import Tensor

from lagbench.kernels.library import empty_like, run
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


def rnn_scan(
    x: Tensor, weight: Tensor, initial: Tensor, relu: bool = False, source: Tensor | None = None
) -> Tensor:
    """All states `(B, T, H)` from projected inputs `x` `(B, T, H)`.

    weight: `W` `(H, H)`. initial: the state before the first step, `(B, H)`. source: as for
    `project_source`, with `x` as its table.
    """
    if runs_compiled(x, source, initial.shape[-1]):
        hidden: Tensor = _rnn(x, source, weight, initial, relu)
        return hidden
    return rnn_loop(project_source(x, source), weight, initial, relu)


def rnn_loop(x: Tensor, weight: Tensor, initial: Tensor, relu: bool = False) -> Tensor:
    """The plain form of `rnn_scan`."""
    activate = torch.relu if relu else torch.tanh
    h, states = initial, []
    for x_t in x.unbind(1):
        h = activate(x_t + h @ weight.mT)
        states.append(h)
    return torch.stack(states, dim=1)


@operation
def _rnn(x: Tensor, source: Tensor | None, weight: Tensor, initial: Tensor, relu: bool) -> Tensor:
    shape = input_sizes(x, source, initial)
    hidden = shape.empty_steps(initial)
    run("rnn", (*shape, relu), *table_and_source(x, source), weight, initial, hidden)
    return swap_steps(hidden)


@operation
def _rnn_backward(
    rows: int,
    source: Tensor | None,
    weight: Tensor,
    initial: Tensor,
    hidden: Tensor,
    gradient: Tensor,
    relu: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    shape = sizes(initial, source, hidden.shape[-2], rows)
    to_x, to_weight, to_initial = (
        shape.empty_inputs(weight),
        empty_like(weight),
        empty_like(initial),
    )
    inputs = time_major(source), weight, initial, swap_steps(hidden), swap_steps(gradient)
    run("rnn_backward", (*shape, relu), *inputs, to_initial, to_x, to_weight)
    return shape.as_inputs(to_x), to_weight, to_initial


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    x, source, weight, initial, ctx.relu = inputs
    ctx.rows = x.shape[-2]
    ctx.save_for_backward(source, weight, initial, output)


def _backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
    to_x, *others = _rnn_backward(ctx.rows, *ctx.saved_tensors, gradient, ctx.relu)
    return to_x, None, *others, None


register_gradient(_rnn, _setup_context, _backward)
