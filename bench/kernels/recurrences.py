"""The compiled loops over time of `layers.rnn`, `layers.gru` and `layers.lstm`: `recurrences.cpp`.

Shapes are those of the loops that they stand in for: steps `(…, B, T, N)`, states `(…, B, H)` and
weights `(…, G * H, H)`, with `R` replicas or nothing in place of the dots. Steps are time-major in
memory: others are copied.
"""

import torch
from torch import Tensor

from bench.kernels.library import operation, run


@operation
def rnn(x: Tensor, weight: Tensor, initial: Tensor, relu: bool) -> Tensor:
    """All states."""
    hidden = _steps(x, initial)
    run("rnn", (*_sizes(hidden), relu), _dense(x), weight, initial, _dense(hidden))
    return hidden


@operation
def rnn_backward(
    weight: Tensor, hidden: Tensor, gradient: Tensor, relu: bool
) -> tuple[Tensor, Tensor]:
    """Gradients of the pre-activations and of the initial state."""
    deltas, carried = _steps(hidden, hidden), _state(hidden)
    steps = map(_dense, (hidden, gradient, deltas))
    run("rnn_backward", (*_sizes(hidden), relu), weight, *steps, carried)
    return deltas, carried


@operation
def gru(x: Tensor, weight: Tensor, bias: Tensor, initial: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """All states; and of each step `r`, `z`, `W_n h + b` in one, and `n`."""
    hidden, gates, fresh = (_steps(x, initial, times) for times in (1, 3, 1))
    made = map(_dense, (gates, fresh, hidden))
    run("gru", _sizes(hidden), _dense(x), weight, bias, initial, *made)
    return hidden, gates, fresh


@operation
def gru_backward(
    weight: Tensor, initial: Tensor, hidden: Tensor, gates: Tensor, fresh: Tensor, gradient: Tensor
) -> tuple[Tensor, Tensor]:
    """Gradients of `W_n h + b`, `x_r`, `x_z` and `x_n` in one, and of the initial state."""
    deltas, carried = _steps(hidden, hidden, 4), _state(hidden)
    steps = map(_dense, (hidden, gates, fresh, gradient, deltas))
    run("gru_backward", _sizes(hidden), weight, initial, *steps, carried)
    return deltas, carried


@operation
def lstm(
    x: Tensor, weight: Tensor, initial: Tensor, cell: Tensor, peepholes: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """All states; and of each step the activated gates in one, and the cell."""
    hidden, gates, cells = (_steps(x, initial, times) for times in (1, 4, 1))
    made = map(_dense, (gates, cells, hidden))
    run("lstm", _sizes(hidden), _dense(x), weight, initial, cell, peepholes, *made)
    return hidden, gates, cells


@operation
def lstm_backward(
    weight: Tensor,
    peepholes: Tensor | None,
    cell: Tensor,
    gates: Tensor,
    cells: Tensor,
    gradient: Tensor,
    gradient_last: Tensor | None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of the pre-activations, of the initial state and of the initial cell."""
    deltas, carried, carried_c = _steps(cells, cells, 4), _state(cells), _state(cells)
    carried_c.copy_(torch.zeros(()) if gradient_last is None else gradient_last)
    steps = map(_dense, (gates, cells, gradient, deltas))
    run("lstm_backward", _sizes(cells), weight, peepholes, cell, *steps, carried, carried_c)
    return deltas, carried, carried_c


def _steps(like: Tensor, state: Tensor, times: int = 1) -> Tensor:
    """Uninitialised `(…, B, T, times * H)`, time-major in memory, for the steps of another."""
    *replicas, B, T, _ = like.shape
    return _dense(like.new_empty(*replicas, T, B, times * state.shape[-1]))


def _state(steps: Tensor) -> Tensor:
    """Uninitialised `(…, B, H)`."""
    return torch.empty_like(steps[..., 0, :], memory_format=torch.contiguous_format)


def _dense(steps: Tensor) -> Tensor:
    """A view `(…, T, B, N)` of steps, as they are in memory; or these of that."""
    return steps.transpose(-3, -2)


def _sizes(hidden: Tensor) -> tuple[int, int, int, int]:
    """`R`, `T`, `B` and `H`."""
    *replicas, B, T, H = hidden.shape
    return (*replicas, 1)[0], T, B, H
