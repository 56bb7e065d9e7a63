"""The gated recurrent unit, its reset gate after the recurrent product; compiled: `gru.cpp`.

r = σ(x_r + W_r h)    z = σ(x_z + W_z h)    n = tanh(x_n + r * (W_n h + b))
h' = (1 - z) * n + z * h
"""

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


def gru_scan(
    x: Tensor, weight: Tensor, bias: Tensor, initial: Tensor, source: Tensor | None = None
) -> Tensor:
    """All states `(B, T, H)` from projected inputs `x` `(B, T, 3H)`, in the order r, z, n.

    weight: `W` `(3H, H)` in that order. bias: `b` `(H,)`. initial: the state before the first
    step, `(B, H)`. source: as for `project_source`, with `x` as its table.
    """
    if runs_compiled(x, source, initial.shape[-1]):
        hidden: Tensor
        hidden, _, _ = _gru(x, source, weight, bias, initial)
        return hidden
    return gru_loop(project_source(x, source), weight, bias, initial)


def gru_loop(x: Tensor, weight: Tensor, bias: Tensor, initial: Tensor) -> Tensor:
    """The plain form of `gru_scan`."""
    h, states = initial, []
    for x_t in x.unbind(1):
        x_r, x_z, x_n = x_t.chunk(3, dim=-1)
        h_r, h_z, h_n = (h @ weight.mT).chunk(3, dim=-1)
        r, z = torch.sigmoid(x_r + h_r), torch.sigmoid(x_z + h_z)
        n = torch.tanh(x_n + r * (h_n + bias))
        h = torch.lerp(n, h, z)  # (1 - z) * n + z * h
        states.append(h)
    return torch.stack(states, dim=1)


@operation
def _gru(
    x: Tensor, source: Tensor | None, weight: Tensor, bias: Tensor, initial: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """All states; and of each step `r`, `z`, `W_n h + b` in one, and `n`."""
    shape = input_sizes(x, source, initial)
    hidden, gates, new = (shape.empty_steps(initial, count) for count in (1, 3, 1))
    inputs = *table_and_source(x, source), weight, bias, initial
    run("gru", shape, *inputs, gates, new, hidden)
    return swap_steps(hidden), swap_steps(gates), swap_steps(new)


@operation
def _gru_backward(
    rows: int,
    source: Tensor | None,
    weight: Tensor,
    initial: Tensor,
    hidden: Tensor,
    gates: Tensor,
    new: Tensor,
    gradient: Tensor,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    shape = sizes(initial, source, hidden.shape[-2], rows)
    to_x, to_weight, to_initial = (
        shape.empty_inputs(weight),
        empty_like(weight),
        empty_like(initial),
    )
    to_bias = initial.new_empty(*initial.shape[:-2], initial.shape[-1])
    steps = map(swap_steps, (hidden, gates, new, gradient))
    inputs = time_major(source), weight, initial, *steps
    run("gru_backward", shape, *inputs, to_initial, to_x, to_weight, to_bias)
    return shape.as_inputs(to_x), to_weight, to_bias, to_initial


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    x, source, weight, _, initial = inputs
    ctx.rows = x.shape[-2]
    ctx.set_materialize_grads(False)
    ctx.save_for_backward(source, weight, initial, *output)


def _backward(ctx: Any, gradient: Tensor | None, *_: None) -> tuple[Tensor | None, ...]:
    gradient = torch.zeros_like(ctx.saved_tensors[3]) if gradient is None else gradient
    to_x, *others = _gru_backward(ctx.rows, *ctx.saved_tensors, gradient)
    return to_x, None, *others


register_gradient(_gru, _setup_context, _backward)
