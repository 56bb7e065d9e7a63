"""Registration of operations with PyTorch: dispatch, gradients and rules for `torch.func.vmap`.

Every tensor of an operation may have `R` replicas as an additional first dimension, so that one
rule for `vmap` serves all: it moves the mapped dimension to the front.

A compiled operation is defined with `torch.library`'s `define` and `impl` rather than `custom_op`,
which imports `torch._dynamo` and costs 24 µs a call without gradients, where this costs 6, or 16
with a gradient registered (one core, torch 2.13). Operations in Python are `ReplicatedFunction`s,
so that counters of operations and recorders of a pass see what they call.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

import torch
from torch import Tensor

_LIBRARY = torch.library.Library("lagbench", "FRAGMENT")  # type: ignore[no-untyped-call]


def operation(function: Callable[..., Any]) -> Callable[..., Any]:
    """Register a function of CPU tensors as `torch.ops.lagbench.NAME`, and return that."""
    schema = torch.library.infer_schema(function, mutates_args=())
    name = _LIBRARY.define(function.__name__.lstrip("_") + schema)  # type: ignore[no-untyped-call]
    _LIBRARY.impl(name, function, "CPU")  # type: ignore[no-untyped-call]
    overload: Callable[..., Any] = getattr(torch.ops.lagbench, name).default
    return overload


def register_gradient(
    forward: Any,
    setup_context: Callable[..., None],
    backward: Callable[..., Any],
    shared: tuple[int, ...] = (),
) -> None:
    """Register the gradient of an operation, as for `torch.library`, and its rule for `vmap`.

    shared: positions of tensors that have no replicas.
    """

    def vmap(info: Any, in_dims: tuple[int | None, ...], *inputs: Any) -> tuple[Any, Any]:
        outputs = forward(*replicas_first(info, in_dims, inputs, shared))
        return outputs, 0 if isinstance(outputs, Tensor) else (0,) * len(outputs)

    torch.library.register_autograd(
        forward, differentiable_once(backward), setup_context=setup_context, lib=_LIBRARY
    )
    torch.library.register_vmap(forward, vmap, lib=_LIBRARY)


class ReplicatedFunction(torch.autograd.Function):
    """A function in Python with a backward pass of its own, of `(…)` and `(R, …)` alike."""

    @classmethod
    def vmap(
        cls, info: Any, in_dims: tuple[int | None, ...], *inputs: Any
    ) -> tuple[tuple[Tensor, ...], tuple[int, ...]]:
        """Run all replicas at once; every output has `R` first."""
        outputs = cls.apply(*replicas_first(info, in_dims, inputs))  # type: ignore[no-untyped-call]
        return outputs, (0,) * len(outputs)


class FoldedFunction(torch.autograd.Function):
    """A function in Python of tensors `(B, …)`, to which `R` replicas are `R * B` examples.

    Inputs may have 1 in place of `B`, all but the second.
    """

    @classmethod
    def vmap(
        cls, info: Any, in_dims: tuple[int | None, ...], *inputs: Tensor
    ) -> tuple[tuple[Tensor, ...], tuple[int, ...]]:
        """Run all examples of all replicas at once."""
        stacked = replicas_first(info, in_dims, inputs)
        examples = stacked[1].shape[1]
        folded = (x.expand(-1, examples, *x.shape[2:]).flatten(0, 1) for x in stacked)
        outputs = cls.apply(*folded)  # type: ignore[no-untyped-call]
        return tuple(torch.unflatten(y, 0, (info.batch_size, examples)) for y in outputs), (
            0,
        ) * len(outputs)


def replicas_first(
    info: Any,
    in_dims: tuple[int | None, ...],
    inputs: tuple[Any, ...],
    shared: tuple[int, ...] = (),
) -> list[Any]:
    """The inputs of a rule for `vmap`, with the replicas of each tensor in its first dimension.

    A tensor without any is expanded to all of them, unless its position is in `shared`.
    """
    moved = []
    for position, (value, dim) in enumerate(zip(inputs, in_dims, strict=True)):
        if not isinstance(value, Tensor) or position in shared:
            moved.append(value)
        elif dim is None:
            moved.append(value.expand(info.batch_size, *value.shape))
        else:
            moved.append(value.movedim(dim, 0))
    return moved


def differentiable_once(backward: Callable[..., Any]) -> Callable[..., Any]:
    """A backward pass that raises `RuntimeError` where its own gradient would be lost."""

    @wraps(backward)
    def checked(ctx: Any, *gradients: Tensor | None) -> Any:
        if torch.is_grad_enabled():
            raise RuntimeError(
                "A kernel cannot be differentiated twice: do without create_graph=True and "
                "torch.func.grad, or use the plain form beside it."
            )
        return backward(ctx, *gradients)

    return checked
