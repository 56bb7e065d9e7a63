"""Rows of a table by their numbers, as of an embedding; the gradient is compiled: `lookup.cpp`."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from bench.kernels.library import operation, run, serves


def lookup(table: Tensor, rows: Tensor) -> Tensor:
    """The rows `(…, N)` of a table `(V, N)` whose numbers are in `rows` `(…)`, int64.

    `IndexError` where there is no such row.
    """
    if not serves(table):
        return torch.nn.functional.embedding(rows, table)
    found: Tensor = _Lookup.apply(table[None], rows[None])  # type: ignore[no-untyped-call]
    return found[0]


@operation
def lookup_backward(gradient: Tensor, rows: Tensor, size: int) -> Tensor:
    """The gradients of `R` tables of `V = size` rows, `(R, V, N)`.

    gradient: `(R, …, N)`; rows: `(R, …)`.
    """
    R, width = len(rows), gradient.shape[-1]
    table = gradient.new_empty(R, size, width)
    run("lookup_backward", (R, rows.numel() // R, size, width), rows, gradient, table)
    return table


class _Lookup(torch.autograd.Function):
    """In `R` tables `(R, V, N)` by `(R, …)` numbers; `(R, …, N)`."""

    @staticmethod
    def forward(table: Tensor, rows: Tensor) -> Tensor:
        R, size, width = table.shape
        if R > 1:
            rows = rows + size * torch.arange(R).view(R, *[1] * (rows.dim() - 1))
        found = table.reshape(-1, width).index_select(0, rows.flatten())
        return found.view(*rows.shape, width)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:  # noqa: ARG004
        table, rows = inputs
        ctx.size = table.shape[1]
        ctx.save_for_backward(rows)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (rows,) = ctx.saved_tensors
        return lookup_backward(gradient, rows, ctx.size), None

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *inputs: Tensor) -> tuple[Tensor, int]:
        """Replicas are further tables."""
        R = info.batch_size
        table, rows = (
            x.expand(R, *x.shape) if dim is None else x.movedim(dim, 0)
            for x, dim in zip(inputs, in_dims, strict=True)
        )
        found = _Lookup.apply(table.flatten(0, 1), rows.flatten(0, 1))  # type: ignore[no-untyped-call]
        return torch.unflatten(found, 0, (R, -1)), 0
