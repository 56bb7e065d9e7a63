"""What kernels share: nodes of the autograd graph whose backward pass is written by hand."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import torch
from torch import Tensor


class Stackable(torch.autograd.Function):
    """A function whose tensors may have `R` replicas as an additional first dimension.

    Subclasses work on `(…)` and `(R, …)` alike, and every output has `R` first.
    """

    @classmethod
    def vmap(
        cls, info: Any, in_dims: tuple[int | None, ...], *inputs: Any
    ) -> tuple[tuple[Tensor, ...], tuple[int, ...]]:
        """Move the mapped dimension of every tensor to the front, and run all replicas at once."""
        moved = (
            fronted(value, dim, info.batch_size) if isinstance(value, Tensor) else value
            for value, dim in zip(inputs, in_dims, strict=True)
        )
        outputs = cls.apply(*moved)  # type: ignore[no-untyped-call]
        return outputs, (0,) * len(outputs)


def differentiable_once(backward: Callable[..., Any]) -> Callable[..., Any]:
    """A backward pass that refuses to be recorded, where autograd would lose it without a word."""

    @wraps(backward)
    def refuse_or_run(ctx: Any, *gradients: Tensor | None) -> Any:
        if torch.is_grad_enabled():
            raise RuntimeError(
                "A kernel cannot be differentiated twice: do without create_graph=True and "
                "torch.func.grad, or use the plain form beside it."
            )
        return backward(ctx, *gradients)

    return refuse_or_run


def fronted(value: Tensor, dim: int | None, replicas: int) -> Tensor:
    """A tensor under `vmap` with its replicas first; one that has none, once for each."""
    if dim is None:
        return value.expand(replicas, *value.shape)
    return value.movedim(dim, 0)
