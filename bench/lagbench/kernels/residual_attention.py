"""Residual layers of attention, `x + out_proj(heads of in_proj(norm(x)))`.

Compiled: `self_attention.cpp`, on `(…, B * T, D)`, with `R` replicas or nothing for the dots; and
`attention_step.cpp` for decoding, without a gradient or a rule for `vmap`.
"""

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from lagbench.kernels.attention import (
    AttentionContext,
    AttentionWeights,
    Cache,
    attention,
    cache_buffer,
    extend_cache,
    grow_cache,
    project_heads,
)
from lagbench.kernels.library import empty_like, run, supported, vector_width
from lagbench.kernels.registration import operation, register_gradient

MAX_WIDTH = 128  # the widest layer that was measured to be faster compiled


def self_attention(
    x: Tensor, weights: AttentionWeights, heads: int, context: AttentionContext
) -> Tensor:
    """The layer on whole sequences `(B * T, D)`, each attending to itself."""
    if _runs_compiled(x, context):
        options = *_rotation_and_mask(context), context.batch, heads, context.causal
        result: Tensor = _self_attention(x, *weights, *options)[0]
        return result
    return residual_attention(x, weights, heads, context)[0]


def extend_self_attention(
    x: Tensor,
    weights: AttentionWeights,
    heads: int,
    context: AttentionContext,
    cache: Cache | None = None,
) -> tuple[Tensor, Cache]:
    """The layer on `t` further steps `(B * t, D)`, and the cache after them."""
    if cache is not None and len(x) == context.batch:
        return attention_step(x, weights, heads, context, cache)
    if cache is None and context.bias is None and _decodes_compiled(x, context):
        options = *_rotation_and_mask(context), context.batch, heads, context.causal
        result, saved = _self_attention(x, *weights, *options)
        steps, width = len(x) // max(context.batch, 1), x.shape[-1]
        rows = torch.unflatten(saved[0, :, width : 3 * width, :steps], 1, (2, heads, -1))
        key, value = rows.permute(1, 0, 2, 4, 3).contiguous()
        return result, (key, value)
    return residual_attention(x, weights, heads, context, cache)


def attention_step(
    x: Tensor, weights: AttentionWeights, heads: int, context: AttentionContext, cache: Cache
) -> tuple[Tensor, Cache]:
    """The layer on one further step of each example, `(B, D)`, attending to a cache.

    Where `in_proj` gives keys and values too, the step's become the last of the cache. Returns the
    result and the cache.
    """
    if not _decodes_compiled(x, context):
        return residual_attention(x, weights, heads, context, cache)
    if len(weights.in_proj) > x.shape[1]:
        cache = grow_cache(cache[0], 1), grow_cache(cache[1], 1)
    key, value = map(cache_buffer, cache)
    result = empty_like(x)
    sizes = len(x), heads, cache[0].shape[2], key.shape[2], x.shape[1], len(weights.in_proj)
    options = _rotation_and_mask(context)
    run("attention_step", sizes, x, *weights, *options, key, value, result)
    return result, cache


def residual_attention(
    x: Tensor,
    weights: AttentionWeights,
    heads: int,
    context: AttentionContext,
    cache: Cache | None = None,
) -> tuple[Tensor, Cache]:
    """The plain form of all of these."""
    query, *new = project_heads(x, weights, heads, context)
    if cache is None:
        key, value = new
    elif new:
        key, value = map(extend_cache, cache, new)
    else:
        key, value = cache
    attended = attention(query, key, value, context)
    joined = attended.transpose(1, 2).flatten(2).flatten(0, 1)
    return x + F.linear(joined, weights.out_proj, weights.out_proj_bias), (key, value)


def _runs_compiled(x: Tensor, context: AttentionContext) -> bool:
    """Whether the layer is narrow enough, and at most padding is masked."""
    bias = context.bias
    keys_only = bias is None or (bias.dtype == torch.bool and bias.shape[1:3] == (1, 1))
    return keys_only and x.shape[-1] <= MAX_WIDTH and supported(x)


def _decodes_compiled(x: Tensor, context: AttentionContext) -> bool:
    return not (context.under_vmap or torch.is_grad_enabled()) and _runs_compiled(x, context)


def _rotation_and_mask(context: AttentionContext) -> tuple[Tensor | None, ...]:
    """Cosines and sines `(t, d)`, and the mask `(B, S)`."""
    cosine, sine = (None, None) if context.rotation is None else context.rotation
    return cosine, sine, None if context.bias is None else context.bias.flatten(1)


@operation
def _self_attention(
    x: Tensor,
    norm_weight: Tensor,
    norm_bias: Tensor,
    in_proj: Tensor,
    out_proj: Tensor,
    out_proj_bias: Tensor,
    cosine: Tensor | None,
    sine: Tensor | None,
    mask: Tensor | None,
    batch: int,
    heads: int,
    causal: bool,
) -> tuple[Tensor, Tensor]:
    """The result, and what the backward pass needs: `(R, B, 4 * D + 2 * H, padded T)`.

    Its first rows are queries, keys and values, features before steps.
    """
    result = empty_like(x)
    sizes = _sizes(x, batch, heads, causal)
    replicas, _, steps, width, *_ = sizes
    block = vector_width(x) * (1 if steps <= vector_width(x) else 2)
    padded = math.ceil(steps / block) * block
    saved = x.new_empty(replicas, batch, 4 * width + 2 * heads, padded)
    weights = norm_weight, norm_bias, in_proj, out_proj, out_proj_bias
    run("self_attention", sizes, x, *weights, cosine, sine, mask, result, saved)
    return result, saved


@operation
def _self_attention_backward(
    x: Tensor,
    norm_weight: Tensor,
    norm_bias: Tensor,
    in_proj: Tensor,
    out_proj: Tensor,
    out_proj_bias: Tensor,
    cosine: Tensor | None,
    sine: Tensor | None,
    mask: Tensor | None,
    saved: Tensor,
    gradient: Tensor,
    batch: int,
    heads: int,
    causal: bool,
) -> list[Tensor]:
    """The gradients of `x` and of the weights."""
    inputs = x, norm_weight, norm_bias, in_proj, out_proj, out_proj_bias
    gradients = [empty_like(tensor) for tensor in inputs]
    sizes = _sizes(x, batch, heads, causal)
    run("self_attention_backward", sizes, *inputs, cosine, sine, mask, saved, gradient, *gradients)
    return gradients


def _sizes(x: Tensor, batch: int, heads: int, causal: bool) -> tuple[int, int, int, int, int, bool]:
    """`R`, `B`, `T`, `D`, `H` and whether attention is causal."""
    *replicas, steps, width = x.shape
    return (*replicas, 1)[0], batch, steps // max(batch, 1), width, heads, causal


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    *tensors, batch, heads, causal = inputs
    ctx.options = batch, heads, causal
    ctx.set_materialize_grads(False)
    ctx.save_for_backward(*tensors, output[1])


def _backward(ctx: Any, gradient: Tensor | None, _: None) -> tuple[Tensor | None, ...]:
    if gradient is None:
        return (None,) * 12
    gradients = _self_attention_backward(*ctx.saved_tensors, gradient, *ctx.options)
    return (*gradients, *(None,) * 6)


register_gradient(_self_attention, _setup_context, _backward, shared=(6, 7))
