"""The attention of a residual block, on kernels where they are compiled and it is narrow."""

from typing import Any

import torch
from torch import Tensor

from lagbench.kernels import attention as compiled
from lagbench.kernels.attention_step import attention_step
from lagbench.kernels.library import supported
from lagbench.kernels.registration import differentiable_once, replicas_first
from lagbench.layers.attention import Cache, Scope, room

NARROW = 128  # the widest that was measured to be faster so


def attends(x: Tensor, scope: Scope) -> bool:
    """Whether `self_attention` takes these: where its kernel is, and what the scope asks of it."""
    bias = scope.bias
    keys_alone = bias is None or (bias.dtype == torch.bool and bias.shape[1:3] == (1, 1))
    return keys_alone and x.shape[-1] <= NARROW and supported(x)


def decodes(x: Tensor, scope: Scope) -> bool:
    """Whether the others, which neither record nor stack, take these."""
    return not (scope.stacked or torch.is_grad_enabled()) and attends(x, scope)


def self_attention(x: Tensor, weights: list[Tensor], heads: int, scope: Scope) -> Tensor:
    """`x + merge(heads of project(norm(x)))` of whole sequences, `(B * T, D)`.

    weights: the norm's scale and shift, `project`, and the weight and bias of `merge`.
    """
    given = *_angles(scope), _mask(scope), scope.batch, heads, scope.causal
    result: Tensor = _SelfAttention.apply(x, *weights, *given)[0]  # type: ignore[no-untyped-call]
    return result


def beginning(x: Tensor, weights: list[Tensor], heads: int, scope: Scope) -> tuple[Tensor, Cache]:
    """The same where all keys may be seen, and the cache after these steps."""
    given = *_angles(scope), None, scope.batch, heads, scope.causal
    result, kept = compiled.self_attention(x, weights, *given)
    return result, compiled.keys_and_values(kept, len(x) // scope.batch, heads)


def step(x: Tensor, weights: list[Tensor], cache: Cache, scope: Scope) -> Tensor:
    """The same of one step `(B, D)`, to the keys and values of a cache.

    Where `project` gives these too, not queries alone, the step's own become the last of the cache.
    """
    key, value = map(room, cache)
    return attention_step(x, weights, *_angles(scope), _mask(scope), key, value, cache[0].shape[2])


def _angles(scope: Scope) -> tuple[Tensor | None, Tensor | None]:
    return (None, None) if scope.rotation is None else scope.rotation


def _mask(scope: Scope) -> Tensor | None:
    return None if scope.bias is None else scope.bias.flatten(1)


class _SelfAttention(torch.autograd.Function):
    """x, five weights, cosine, sine and mask; then examples, heads and whether they are causal."""

    @staticmethod
    def forward(*inputs: Any) -> tuple[Tensor, Tensor]:
        return compiled.self_attention(*_grouped(*inputs))  # type: ignore[no-any-return]

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
        *tensors, ctx.batch, ctx.heads, ctx.causal = inputs
        ctx.mark_non_differentiable(output[1])
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*tensors, output[1])

    @staticmethod
    @differentiable_once
    def backward(ctx: Any, gradient: Tensor | None, _: None) -> tuple[Tensor | None, ...]:
        if gradient is None:
            return (None,) * 12
        *tensors, kept = ctx.saved_tensors
        given = _grouped(*tensors, ctx.batch, ctx.heads, ctx.causal)
        made = compiled.self_attention_backward(*given, kept, gradient)
        return (*made, *(None,) * 6)

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int | None, ...], *inputs: Any
    ) -> tuple[tuple[Tensor, Tensor], tuple[int, int]]:
        """Whatever replicas differ in comes to the front; they turn steps by the same angles."""
        given = replicas_first(info, in_dims, inputs, shared=(6, 7))
        return _SelfAttention.apply(*given), (0, 0)  # type: ignore[no-untyped-call]


def _grouped(x: Tensor, *rest: Any) -> tuple[Any, ...]:
    return x, list(rest[:5]), *rest[5:]
