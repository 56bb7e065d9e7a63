"""Rows of a table by their numbers, as of an embedding; the gradient is compiled: `lookup.cpp`."""

from typing import Any

import torch
from torch import Tensor

from lagbench.kernels.autograd import Stackable, differentiable_once
from lagbench.kernels.library import operation, run, serves


def lookup(table: Tensor, rows: Tensor) -> Tensor:
    """The rows `(…, N)` of a table `(V, N)` whose numbers are in `rows` `(…)`, int64.

    `IndexError` where there is no such row.
    """
    if not serves(table):
        return torch.nn.functional.embedding(rows, table)
    found: Tensor
    (found,) = _Lookup.apply(table, rows)  # type: ignore[no-untyped-call]
    return found


@operation
def lookup_backward(gradient: Tensor, rows: Tensor, table: list[int]) -> Tensor:
    """The gradient of a table of this shape, `(V, N)` or `(R, V, N)`."""
    *replicas, size, width = table
    R = (*replicas, 1)[0]
    found = gradient.new_empty(table)
    run("lookup_backward", (R, rows.numel() // R, size, width), rows, gradient, found)
    return found


class _Lookup(Stackable):
    @staticmethod
    def forward(table: Tensor, rows: Tensor) -> tuple[Tensor]:
        *replicas, size, width = table.shape
        if replicas:
            first = size * torch.arange(*replicas)
            rows = rows + first.view(-1, *[1] * (rows.dim() - 1))
        found = table.reshape(-1, width).index_select(0, rows.flatten())
        return (found.view(*rows.shape, width),)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor]) -> None:  # noqa: ARG004
        table, rows = inputs
        ctx.table = table.shape
        ctx.save_for_backward(rows)

    @staticmethod
    @differentiable_once
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (rows,) = ctx.saved_tensors
        return lookup_backward(gradient, rows, ctx.table), None
