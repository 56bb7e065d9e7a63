"""The compiled self-attention of a residual block: `attention.cpp`.

Shapes are `(…, N, D)` for the `N = B * T` steps of `B` examples, `(…, 3 * D, D)` for the projection
to queries, keys and values, `(…, D, D)` for what merges the heads, and `(…, D)` for the rest, with
`R` replicas or nothing in place of the dots.
"""

import math

import torch
from torch import Tensor

from lagbench.kernels.library import empty_like, run, vector_width
from lagbench.kernels.registration import operation


@operation
def self_attention(
    x: Tensor,
    weights: list[Tensor],
    cosine: Tensor | None,
    sine: Tensor | None,
    mask: Tensor | None,
    batch: int,
    heads: int,
    causal: bool,
) -> tuple[Tensor, Tensor]:
    """`x + merge(heads of project(norm(x)))`; and what the backward pass needs.

    weights: the norm's scale and shift, `project`, and the weight and bias of `merge`.
    cosine, sine: of each position, `(T, D / heads)`; None: nothing is rotated. mask: `(…, B, T)`
    bool, false on keys that nobody may see.
    """
    result = empty_like(x)
    sizes = _sizes(x, batch, heads, causal)
    replicas, _, steps, width, *_ = sizes
    block = vector_width(x) * (1 if steps <= vector_width(x) else 2)
    padded = math.ceil(steps / block) * block
    kept = x.new_empty(replicas, batch, 4 * width + 2 * heads, padded)
    run("self_attention", sizes, x, *weights, cosine, sine, mask, result, kept)
    return result, kept


@operation
def self_attention_backward(
    x: Tensor,
    weights: list[Tensor],
    cosine: Tensor | None,
    sine: Tensor | None,
    mask: Tensor | None,
    batch: int,
    heads: int,
    causal: bool,
    kept: Tensor,
    gradient: Tensor,
) -> list[Tensor]:
    """The gradients of `x` and of the weights; kept: what `self_attention` gave for this."""
    made = [empty_like(each) for each in (x, *weights)]
    given = x, *weights, cosine, sine, mask, kept, gradient
    run("self_attention_backward", _sizes(x, batch, heads, causal), *given, *made)
    return made


def keys_and_values(kept: Tensor, steps: int, heads: int) -> tuple[Tensor, Tensor]:
    """`(B, H, T, d)` each, of what `self_attention` kept without replicas and without a mask."""
    width = (kept.shape[2] - 2 * heads) // 4
    rows = torch.unflatten(kept[0, :, width : 3 * width, :steps], 1, (2, heads, -1))
    key, value = rows.permute(1, 0, 2, 4, 3).contiguous()
    return key, value


def _sizes(x: Tensor, batch: int, heads: int, causal: bool) -> tuple[int, int, int, int, int, bool]:
    """`R`, `B`, `T`, `D`, the heads, and whether they are causal."""
    *replicas, steps, width = x.shape
    return (*replicas, 1)[0], batch, steps // batch, width, heads, causal
