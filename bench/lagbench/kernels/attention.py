"""Scaled dot-product attention and what its forms share (Vaswani et al. 2017).

Attention(Q, K, V) = softmax(Q Kᵀ / √d + bias) V, in `H` heads of size `d = D / H`.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

Rotation = tuple[Tensor, Tensor]  # cosines and signed sines of the positions, (t, d) each
Cache = tuple[Tensor, Tensor]  # keys and values of all steps so far, (B, H, S, d) each


class AttentionContext(NamedTuple):
    """What the layers of one pass share: which keys a query sees, and at which distance.

    batch: `B`, as layers take the steps of all examples as one matrix.
    bias: `(B or 1, H or 1, t or 1, S)`: added to the scores, or, if bool, false where a query may
        not see a key. It is a constant: no gradient reaches it.
    causal: a query sees no key after its own; only where there is no bias, and `t = S`.
    rotation: of the queries' positions, where positions are rotary.
    under_vmap: whether the pass runs under `torch.func.vmap`.
    """

    batch: int
    bias: Tensor | None = None
    causal: bool = False
    rotation: Rotation | None = None
    under_vmap: bool = False


class AttentionWeights(NamedTuple):
    """The weights of a residual layer `x + out_proj(heads of in_proj(norm(x)))`.

    in_proj: `(3 * D, D)` for queries, keys and values, or `(D, D)` for queries alone.
    """

    norm_weight: Tensor
    norm_bias: Tensor
    in_proj: Tensor
    out_proj: Tensor
    out_proj_bias: Tensor


def attention(query: Tensor, key: Tensor, value: Tensor, context: AttentionContext) -> Tensor:
    """Attention of `(B, H, t, d)` queries over `(B, H, S, d)` keys and values; `(B, H, t, d)`.

    A query that may see no key gets zeros.
    """
    product = _VmappedAttention.apply if context.under_vmap else _scaled_dot_product
    result: Tensor = product(query, key, value, context.bias, context.causal)
    return result


def attention_weights(query: Tensor, key: Tensor, context: AttentionContext) -> Tensor:
    """The weights that `attention` gives the keys, `(B, H, t, S)`, for probes."""
    scores: Tensor = query @ key.mT / query.shape[-1] ** 0.5
    if context.causal:
        future = torch.ones_like(scores, dtype=torch.bool).triu(1)
        scores = scores.masked_fill(future, -torch.inf)
    elif context.bias is not None and context.bias.dtype == torch.bool:
        scores = scores.masked_fill(~context.bias, -torch.inf)
    elif context.bias is not None:
        scores = scores + context.bias
    return scores.softmax(dim=-1)


def project_heads(
    x: Tensor, weights: AttentionWeights, heads: int, context: AttentionContext
) -> tuple[Tensor, ...]:
    """Queries, or queries, keys and values, `(B, H, t, d)` each, of steps `(B * t, D)`."""
    normed = F.layer_norm(x, x.shape[-1:], weights.norm_weight, weights.norm_bias)
    projected = split_heads(F.linear(normed, weights.in_proj), context.batch, heads, x.shape[1])
    if context.rotation is None:
        return projected.unbind()
    return *rotate(projected[:2], context.rotation).unbind(), projected[2]


def split_heads(x: Tensor, batch: int, heads: int, width: int) -> Tensor:
    """`(B * t, parts * D) -> (parts, B, H, t, d)`."""
    steps, parts = len(x) // max(batch, 1), x.shape[1] // width
    return x.view(batch, steps, parts, heads, width // heads).permute(2, 0, 3, 1, 4)


def rotate(x: Tensor, rotation: Rotation) -> Tensor:
    """Turn each pair `(x_i, x_{i + d/2})` of `x` `(..., t, d)` by its step's angle `p θ_i`.

    The product of a rotated query and key depends on their content and distance alone.
    """
    cosine, sine = rotation
    return torch.addcmul(x * cosine, x.roll(x.shape[-1] // 2, dims=-1), sine)


def extend_cache(past: Tensor, new: Tensor) -> Tensor:
    """Keys or values `(B, H, S, d)` with `t` more after them: `(B, H, S + t, d)`.

    Without gradients they grow like a list, into a buffer with room for as many steps again. Only
    the tensor that was returned last knows its buffer, and the first call that extends it takes the
    buffer over: another call, or one on a tensor derived from it, such as other rows, copies.
    """
    if torch.is_grad_enabled():
        return torch.cat([past, new], dim=2)
    grown = grow_cache(past, new.shape[2])
    grown[:, :, past.shape[2] :] = new
    return grown


def grow_cache(past: Tensor, steps: int) -> Tensor:
    """The result of `extend_cache` without gradients, its last steps uninitialised."""
    B, H, seen, size = past.shape
    steps += seen
    buffer = vars(past).pop("buffer", None)
    if buffer is None or buffer.shape[2] < steps:
        buffer = past.new_empty(B, H, 2 * steps, size)
        buffer[:, :, :seen] = past
    grown: Tensor = buffer[:, :, :steps]
    vars(grown)["buffer"] = buffer
    return grown


def cache_buffer(cache: Tensor) -> Tensor:
    """The buffer `(B, H, room, d)` that keys or values lie in, or themselves if they have none."""
    buffer: Tensor = vars(cache).get("buffer", cache)
    return buffer


def _scaled_dot_product(
    query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None, causal: bool
) -> Tensor:
    return F.scaled_dot_product_attention(query, key, value, bias, is_causal=causal)


class _VmappedAttention(torch.autograd.Function):
    """PyTorch's attention, which has no batching rule, under `vmap`: replicas join the batch."""

    @staticmethod
    def forward(*inputs: Any) -> Tensor:
        return _scaled_dot_product(*inputs)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ARG004
        *tensors, ctx.causal = inputs
        ctx.save_for_backward(*tensors)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Outside `vmap` the forward pass is repeated: only the rule below has to be fast."""
        *inputs, bias = ctx.saved_tensors
        with torch.enable_grad():
            query, key, value = (tensor.detach().requires_grad_() for tensor in inputs)
            output = _scaled_dot_product(query, key, value, bias, ctx.causal)
        return (*torch.autograd.grad(output, (query, key, value), gradient), None, None)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *inputs: Any) -> tuple[Tensor, int]:
        """Here tensors are unwrapped by one level, and autograd records what is called."""
        R = info.batch_size
        query, key, value = map(_fold, inputs[:3], in_dims, (R, R, R))
        bias, causal = inputs[3:]
        if bias is not None and (in_dims[3] is not None or bias.shape[0] > 1):
            bias = _fold(bias, in_dims[3], R, len(query) // R)
        return torch.unflatten(_scaled_dot_product(query, key, value, bias, causal), 0, (R, -1)), 0


def _fold(tensor: Tensor, dim: int | None, R: int, B: int = -1) -> Tensor:
    """`(R * B, …)` of a tensor whose replicas are in dimension `dim`, or that has none."""
    first = tensor.expand(R, *tensor.shape) if dim is None else tensor.movedim(dim, 0)
    return first.expand(R, B, *first.shape[2:]).flatten(0, 1)
