"""Compiled self-attention of whole sequences: `attention.cpp`."""

from torch import Tensor

from bench.kernels.library import operation, run


@operation
def attention(
    projected: Tensor,
    cosine: Tensor | None,
    sine: Tensor | None,
    mask: Tensor | None,
    heads: int,
    causal: bool,
) -> tuple[Tensor, Tensor]:
    """What the heads read, side by side, `(B, T, D)`; and sums for the backward pass.

    projected: queries, keys and values in one, `(B, T, 3 * D)`. cosine, sine: of each position,
    `(T, D / heads)`; None: nothing is rotated. mask: `(B, T)` bool, false on keys that nobody may
    see.
    """
    B, T, wide = projected.shape
    result = projected.new_empty(B, T, wide // 3)
    sums = projected.new_empty(B, heads, 2, T + 64)  # room for queries in whole blocks
    sizes = B, T, heads, wide // (3 * heads), causal
    run("attention", sizes, projected, cosine, sine, mask, result, sums)
    return result, sums


@operation
def attention_backward(
    projected: Tensor,
    cosine: Tensor | None,
    sine: Tensor | None,
    mask: Tensor | None,
    heads: int,
    causal: bool,
    read: Tensor,
    sums: Tensor,
    gradient: Tensor,
) -> Tensor:
    """The gradient of `projected`; read, sums: what `attention` gave."""
    B, T, wide = projected.shape
    result = projected.new_empty(B, T, wide)
    sizes = B, T, heads, wide // (3 * heads), causal
    given = projected, cosine, sine, mask, read, sums, gradient
    run("attention_backward", sizes, *given, result)
    return result
