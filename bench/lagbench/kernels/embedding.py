"""Embedding lookup, whose gradient is compiled: `embedding.cpp`."""

from typing import Any

import torch
from torch import Tensor

from lagbench.kernels.library import run, supported
from lagbench.kernels.registration import ReplicatedFunction, differentiable_once, operation


def embedding(indices: Tensor, table: Tensor) -> Tensor:
    """The rows `(…, N)` of a table `(V, N)` at indices `(…)`, int64.

    `IndexError` where there is no such row.
    """
    if not supported(table):
        return torch.nn.functional.embedding(indices, table)
    rows: Tensor
    (rows,) = _Embedding.apply(indices, table)  # type: ignore[no-untyped-call]
    return rows


class _Embedding(ReplicatedFunction):
    @staticmethod
    def forward(indices: Tensor, table: Tensor) -> tuple[Tensor]:
        *replicas, size, width = table.shape
        if replicas:
            first = size * torch.arange(*replicas)
            indices = indices + first.view(-1, *[1] * (indices.dim() - 1))
        rows = table.reshape(-1, width).index_select(0, indices.flatten())
        return (rows.view(*indices.shape, width),)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor]) -> None:  # noqa: ARG004
        indices, table = inputs
        ctx.shape = table.shape
        ctx.save_for_backward(indices)

    @staticmethod
    @differentiable_once
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, Tensor]:
        (indices,) = ctx.saved_tensors
        return None, _embedding_backward(gradient, indices, ctx.shape)


@operation
def _embedding_backward(gradient: Tensor, indices: Tensor, shape: list[int]) -> Tensor:
    """The gradient of a table of this shape, `(V, N)` or `(R, V, N)`."""
    *replicas, size, width = shape
    R = (*replicas, 1)[0]
    to_table = gradient.new_empty(shape)
    sizes = R, indices.numel() // R, size, width
    run("embedding_backward", sizes, indices, gradient, to_table)
    return to_table
