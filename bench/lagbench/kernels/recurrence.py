"""What the recurrences over time share: their inputs, and how tensors lie in memory.

A recurrence takes its inputs projected: `W x + b` `(B, T, G * H)` for `G` gates of `H` units, one
product over all steps. It can also take a *source*, and a table that makes the same of it: see
`project_source`. Compiled loops read sources themselves, a step at a time.

Compiled loops work on `(…, B, T, N)` with `R` replicas or nothing in place of the dots. Steps are
time-major in memory: others are copied. Their backward passes give the gradient of the inputs, or
of the table, first.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from lagbench.kernels.embedding import embedding
from lagbench.kernels.library import supported


def project_inputs(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """`W x + b` `(B, T, N)` of `x` `(B, T, D)`, time-major in memory.

    The product is one of matrices: under `vmap`, more dimensions would copy the weight for each.
    """
    B, T, _ = x.shape
    steps = x.transpose(0, 1).flatten(0, 1)
    projected = torch.nn.functional.linear(steps, weight, bias)
    return torch.unflatten(projected, 0, (T, B)).transpose(0, 1)


def project_source(table: Tensor, source: Tensor | None) -> Tensor:
    """`W x + b` `(B, T, N)` of a source and a table, time-major in memory.

    Symbols `(B, T)`, int64, name rows of a table `(V, N)`. Values `(B, T, D)` are multiplied with
    all rows of a table `(D + 1, N)` but the last, which is added. Without a source, the table is
    the result.
    """
    if source is None:
        return table
    if source.dtype == torch.int64:
        return embedding(source.mT, table).transpose(0, 1)
    return project_inputs(source, table[:-1].mT, table[-1])


def runs_compiled(table: Tensor, source: Tensor | None, units: int) -> bool:
    """Whether to run a compiled loop; over a single step, the plain one takes half the time."""
    steps = table if source is None else source
    return steps.shape[1] > 1 and supported(table, units)


class Sizes(NamedTuple):
    """The sizes that every compiled loop takes.

    form: 0, inputs are projected; 1, the source is symbols; 2, it is values. rows: of the table.
    """

    replicas: int
    steps: int
    batch: int
    units: int
    form: int
    rows: int

    def empty_steps(self, state: Tensor, gates: int = 1) -> Tensor:
        """Uninitialised `(…, T, B, gates * H)`."""
        shape = *state.shape[:-2], self.steps, self.batch, gates * self.units
        return state.new_empty(shape)

    def empty_inputs(self, weight: Tensor) -> Tensor:
        """Uninitialised, as the table, or as the inputs `(…, T, B, N)` where there is none."""
        *replicas, N, _ = weight.shape
        return weight.new_empty(
            *replicas, *((self.rows,) if self.form else (self.steps, self.batch)), N
        )

    def as_inputs(self, memory: Tensor) -> Tensor:
        """The shape of the table or of the inputs, for what `empty_inputs` gave."""
        return memory if self.form else swap_steps(memory)


def sizes(initial: Tensor, source: Tensor | None, steps: int, rows: int) -> Sizes:
    """Of a loop from a state `(…, B, H)`; rows: of the table, where there is a source."""
    *replicas, B, H = initial.shape
    form = 0 if source is None else 1 if source.dtype == torch.int64 else 2
    return Sizes((*replicas, 1)[0], steps, B, H, form, rows if form else 0)


def input_sizes(x: Tensor, source: Tensor | None, initial: Tensor) -> Sizes:
    """The same, of inputs or a table `x`; `IndexError` where symbols name no row of it."""
    rows = x.shape[-2]
    if source is None:
        return sizes(initial, None, rows, 0)
    if source.dtype != torch.int64:
        return sizes(initial, source, source.shape[-2], rows)
    if source.numel():
        low, high = map(int, source.aminmax())
        if low < 0 or high >= rows:
            raise IndexError(f"Symbols from {low} to {high} do not name rows of a table of {rows}.")
    return sizes(initial, source, source.shape[-1], rows)


def table_and_source(x: Tensor, source: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """Inputs or their table, and the source, as compiled loops read them: time-major."""
    if source is None:
        return swap_steps(x), None
    return x, time_major(source)


def time_major(source: Tensor | None) -> Tensor | None:
    """A view `(…, T, B)` or `(…, T, B, D)` of a source."""
    if source is None:
        return None
    return source.mT if source.dtype == torch.int64 else swap_steps(source)


def swap_steps(x: Tensor) -> Tensor:
    """A view `(…, T, B, N)` of `(…, B, T, N)`, or the other way round."""
    return x.transpose(-3, -2)
