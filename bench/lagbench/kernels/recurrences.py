"""The compiled loops over time of `layers.rnn`, `layers.gru` and `layers.lstm`: `recurrences.cpp`.

Shapes are those of the loops that they stand in for: steps `(…, B, T, N)`, states `(…, B, H)` and
weights `(…, G * H, H)`, with `R` replicas or nothing in place of the dots. Steps are time-major in
memory: others are copied.

What the steps read, `W x + b` `(…, B, T, N)`, is `x` itself where the source is None. Where the
source is symbols `(…, B, T)`, int64, they name rows of `x` `(…, V, N)`. Where it is values
`(…, B, T, D)`, they are multiplied with the first rows of `x` `(…, D + 1, N)`, and the last is
added. Backward passes give the gradient of `x` first, and that of the weight; rows: `V` or `D + 1`,
0 where the source is None.
"""

import torch
from torch import Tensor

from lagbench.kernels.library import like, operation, run


@operation
def rnn(x: Tensor, source: Tensor | None, weight: Tensor, initial: Tensor, relu: bool) -> Tensor:
    """All states."""
    sizes = _sizes(initial, source, *_inputs(x, source))
    hidden = _steps(sizes, initial)
    given = _dense(x, source), _seen(source)
    run("rnn", (*sizes, relu), *given, weight, initial, hidden)
    return _turned(hidden)


@operation
def rnn_backward(
    rows: int,
    source: Tensor | None,
    weight: Tensor,
    initial: Tensor,
    hidden: Tensor,
    gradient: Tensor,
    relu: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of `x`, of the weight and of the initial state."""
    sizes = _sizes(initial, source, hidden.shape[-2], rows)
    to_x, to_weight, carried = _like_inputs(sizes, weight), like(weight), like(initial)
    steps = map(_turned, (hidden, gradient))
    told = carried, _dense(to_x, source), to_weight
    run("rnn_backward", (*sizes, relu), _seen(source), weight, initial, *steps, *told)
    return to_x, to_weight, carried


@operation
def gru(
    x: Tensor, source: Tensor | None, weight: Tensor, bias: Tensor, initial: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """All states; and of each step `r`, `z`, `W_n h + b` in one, and `n`."""
    sizes = _sizes(initial, source, *_inputs(x, source))
    hidden, gates, fresh = (_steps(sizes, initial, times) for times in (1, 3, 1))
    given = _dense(x, source), _seen(source), weight, bias, initial
    run("gru", sizes, *given, gates, fresh, hidden)
    return _turned(hidden), _turned(gates), _turned(fresh)


@operation
def gru_backward(
    rows: int,
    source: Tensor | None,
    weight: Tensor,
    initial: Tensor,
    hidden: Tensor,
    gates: Tensor,
    fresh: Tensor,
    gradient: Tensor,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Gradients of `x`, of the weight, of the bias and of the initial state."""
    sizes = _sizes(initial, source, hidden.shape[-2], rows)
    to_x, to_weight, carried = _like_inputs(sizes, weight), like(weight), like(initial)
    to_bias = initial.new_empty(*initial.shape[:-2], initial.shape[-1])
    steps = map(_turned, (hidden, gates, fresh, gradient))
    told = carried, _dense(to_x, source), to_weight, to_bias
    run("gru_backward", sizes, _seen(source), weight, initial, *steps, *told)
    return to_x, to_weight, to_bias, carried


@operation
def lstm(
    x: Tensor,
    source: Tensor | None,
    weight: Tensor,
    initial: Tensor,
    cell: Tensor,
    peepholes: Tensor | None,
) -> tuple[Tensor, Tensor, Tensor]:
    """All states; and of each step the activated gates in one, and the cell."""
    sizes = _sizes(initial, source, *_inputs(x, source))
    hidden, gates, cells = (_steps(sizes, initial, times) for times in (1, 4, 1))
    given = _dense(x, source), _seen(source), weight, initial, cell, peepholes
    run("lstm", sizes, *given, gates, cells, hidden)
    return _turned(hidden), _turned(gates), _turned(cells)


@operation
def lstm_backward(
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
    """Gradients of `x`, the weight, the initial state and cell; and, if any, of the peepholes."""
    sizes = _sizes(initial, source, hidden.shape[-2], rows)
    to_x, to_weight, carried = _like_inputs(sizes, weight), like(weight), like(initial)
    carried_c = like(cell).copy_(torch.zeros(()) if gradient_last is None else gradient_last)
    to_peepholes = initial.new_empty(0) if peepholes is None else like(peepholes)
    steps = map(_turned, (gates, cells, hidden, gradient))
    told = carried, carried_c, _dense(to_x, source), to_weight, to_peepholes
    given = _seen(source), weight, initial, cell, peepholes
    run("lstm_backward", sizes, *given, *steps, *told)
    return to_x, to_weight, carried, carried_c, to_peepholes


def _inputs(x: Tensor, source: Tensor | None) -> tuple[int, int]:
    """How many steps, and rows of a table; `IndexError` where symbols name none."""
    if source is None:
        return x.shape[-2], 0
    rows = x.shape[-2]
    if source.dtype != torch.int64:
        return source.shape[-2], rows
    if source.numel():
        low, high = map(int, source.aminmax())
        if low < 0 or high >= rows:
            raise IndexError(f"Symbols from {low} to {high} do not name rows of a table of {rows}.")
    return source.shape[-1], rows


def _sizes(initial: Tensor, source: Tensor | None, steps: int, rows: int) -> tuple[int, ...]:
    """`R`, `T`, `B`, `H`, the form of the inputs, and the rows of their table."""
    *replicas, B, H = initial.shape
    form = 0 if source is None else 1 if source.dtype == torch.int64 else 2
    return (*replicas, 1)[0], steps, B, H, form, rows


def _steps(sizes: tuple[int, ...], state: Tensor, times: int = 1) -> Tensor:
    """Uninitialised `(…, T, B, times * H)`."""
    _, T, B, H, *_ = sizes
    return state.new_empty(*state.shape[:-2], T, B, times * H)


def _like_inputs(sizes: tuple[int, ...], weight: Tensor) -> Tensor:
    """Uninitialised, as the table of the inputs, or as they are without one: time-major."""
    _, T, B, _, _, rows = sizes
    *replicas, N, _ = weight.shape
    if rows:
        return weight.new_empty(*replicas, rows, N)
    return _turned(weight.new_empty(*replicas, T, B, N))


def _dense(x: Tensor, source: Tensor | None) -> Tensor:
    """Inputs, or their table, as they are in memory."""
    return _turned(x) if source is None else x


def _seen(source: Tensor | None) -> Tensor | None:
    """A source, time-major."""
    if source is None:
        return None
    return source.mT if source.dtype == torch.int64 else _turned(source)


def _turned(steps: Tensor) -> Tensor:
    """A view `(…, T, B, N)` of steps `(…, B, T, N)`, or these of that."""
    return steps.transpose(-3, -2)
