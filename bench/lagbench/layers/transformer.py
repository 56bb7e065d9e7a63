"""A Transformer and its parts (Vaswani et al. 2017), normalised first (Xiong et al. 2020).

Inside, the steps of all examples are one matrix `(B * t, D)`: `torch.func.vmap` would copy a weight
for every further dimension of what it is multiplied with.

`H` heads of size `d = D / H`. Queries, keys and values have no bias terms: a key's would shift
all scores of a query alike, which a softmax does not see, and a value's is the output's.
"""

from collections.abc import Iterable
from typing import cast

import torch
from torch import Tensor, nn

from lagbench.contract import Mixer
from lagbench.hints import CoreHints
from lagbench.kernels.attention import (
    AttentionContext,
    AttentionWeights,
    Cache,
    attention_weights,
    project_heads,
    split_heads,
)
from lagbench.kernels.residual_attention import (
    attention_step,
    extend_self_attention,
    residual_attention,
    self_attention,
)
from lagbench.layers.block import FeedForward
from lagbench.layers.positions import Positions


def self_attention_context(
    x: Tensor,
    positions: Positions,
    causal: bool,
    mask: Tensor | None = None,
    seen: int = 0,
    under_vmap: bool = False,
) -> AttentionContext:
    """The context in which `x` `(B, t, D)` attends to itself and to the `seen` steps before it.

    mask: `(B, seen + t)` bool, false on steps that nobody may see; None: all may be seen.
    """
    bias, causal = _bias(x, positions.bias(x, seen), causal, mask, seen)
    return AttentionContext(x.shape[0], bias, causal, positions.rotation(x, seen), under_vmap)


def _bias(
    x: Tensor, bias: Tensor | None, causal: bool, mask: Tensor | None, seen: int
) -> tuple[Tensor | None, bool]:
    """One bias of positions, mask and causality; or none, and whether attention is causal."""
    if causal and seen == 0 and mask is None and bias is None:
        return None, True
    allowed = None if mask is None else mask[:, None, None]
    if causal and x.shape[1] > 1:
        square = torch.ones(x.shape[1], seen + x.shape[1], dtype=torch.bool, device=x.device)
        past = square.tril(seen)[None, None]
        allowed = past if allowed is None else past & allowed
    if bias is None or allowed is None:
        return allowed if bias is None else bias, False
    return bias.masked_fill(~allowed, -torch.inf), False


class SelfAttention(nn.Module):
    """Multi-head attention of a sequence over itself and the steps before it, as a residual."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.in_proj = nn.Linear(width, 3 * width, bias=False)
        self.out_proj = nn.Linear(width, width)

    def forward(self, x: Tensor, context: AttentionContext) -> Tensor:
        """`(B * T, D)`, of whole sequences."""
        return self_attention(x, _weights(self, self.in_proj), self.heads, context)

    def extend(
        self, x: Tensor, context: AttentionContext, cache: Cache | None = None
    ) -> tuple[Tensor, Cache]:
        """`(B * t, D)` of further steps, and the cache after them."""
        weights = _weights(self, self.in_proj)
        return extend_self_attention(x, weights, self.heads, context, cache)

    def attention_weights(self, x: Tensor, context: AttentionContext) -> Tensor:
        """How `x` `(B * T, D)` attends to itself: `(B, H, T, T)`, for probes."""
        query, key, _ = project_heads(x, _weights(self, self.in_proj), self.heads, context)
        return attention_weights(query, key, context)


class CrossAttention(nn.Module):
    """Multi-head attention of a sequence over another one, its memory, as a residual."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.query_proj = nn.Linear(width, width, bias=False)
        self.memory_proj = nn.Linear(width, 2 * width, bias=False)
        self.out_proj = nn.Linear(width, width)

    def project_memory(self, memory: Tensor) -> Cache:
        """The keys and values of a memory `(B, S, D)`, computed once per source."""
        projected = self.memory_proj(memory.flatten(0, 1))
        heads = split_heads(projected, memory.shape[0], self.heads, memory.shape[2])
        key, value = heads.contiguous().unbind()  # every step of decoding reads all of them
        return key, value

    def forward(self, x: Tensor, memory: Cache, context: AttentionContext) -> Tensor:
        """`(B * t, D)`."""
        layer = attention_step if len(x) == context.batch else residual_attention
        return layer(x, _weights(self, self.query_proj), self.heads, context, memory)[0]

    def attention_weights(self, x: Tensor, memory: Cache, context: AttentionContext) -> Tensor:
        """How `x` `(B * t, D)` attends to the memory: `(B, H, t, S)`, for probes."""
        (query,) = project_heads(x, _weights(self, self.query_proj), self.heads, context)
        return attention_weights(query, memory[0], context)


def _weights(layer: SelfAttention | CrossAttention, in_proj: nn.Linear) -> AttentionWeights:
    norm, out_proj = layer.norm, layer.out_proj
    return AttentionWeights(norm.weight, norm.bias, in_proj.weight, out_proj.weight, out_proj.bias)


class AttentionBlock(nn.Module):
    """Self-attention, then an MLP of four times the width."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention = SelfAttention(width, heads)
        self.feedforward = FeedForward(width, 4 * width)

    def forward(self, x: Tensor, context: AttentionContext) -> Tensor:
        """`(B * T, D)`, of whole sequences."""
        return cast(Tensor, self.feedforward(self.attention(x, context)))

    def extend(
        self, x: Tensor, context: AttentionContext, cache: Cache | None = None
    ) -> tuple[Tensor, Cache]:
        """`(B * t, D)`, and the cache after these steps."""
        x, cache = self.attention.extend(x, context, cache)
        return self.feedforward(x), cache


class TransformerMixer(Mixer, CoreHints):
    """Blocks over the inputs with their positions, and a last normalisation."""

    def __init__(
        self, width: int, layers: int, heads: int, positions: Positions, causal: bool
    ) -> None:
        super().__init__()
        self.causal = causal
        self.positions = positions
        self.blocks = nn.ModuleList(AttentionBlock(width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """`(B, T, D) -> (B, T, D)`; if causal, padding after a step cannot reach it anyway."""
        context = self._context(x, mask)
        steps = self.positions.add(x).flatten(0, 1)
        for block in self.blocks:
            steps = block(steps, context)
        return torch.unflatten(self.norm(steps), 0, x.shape[:2])

    def extend(
        self, x: Tensor, state: tuple[Cache, ...] | None = None
    ) -> tuple[Tensor, tuple[Cache, ...]]:
        """Read `t` further steps; the state is the keys and values of every layer."""
        seen = 0 if state is None else state[0][0].shape[2]
        context = self_attention_context(
            x, self.positions, True, seen=seen, under_vmap=self.under_vmap
        )
        steps = self.positions.add(x, seen).flatten(0, 1)
        caches = []
        for layer, block in enumerate(cast(Iterable[AttentionBlock], self.blocks)):
            steps, cache = block.extend(steps, context, None if state is None else state[layer])
            caches.append(cache)
        return torch.unflatten(self.norm(steps), 0, x.shape[:2]), tuple(caches)

    def attention(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """The attention weights `(B, layers, H, T, T)`, for probes; a row sums to one."""
        context = self._context(x, mask)
        steps = self.positions.add(x).flatten(0, 1)
        weights = []
        for block in cast(Iterable[AttentionBlock], self.blocks):
            weights.append(block.attention.attention_weights(steps, context))
            steps = block(steps, context)
        return torch.stack(weights, dim=1)

    def _context(self, x: Tensor, mask: Tensor | None) -> AttentionContext:
        mask = None if self.causal else mask
        return self_attention_context(
            x, self.positions, self.causal, mask, under_vmap=self.under_vmap
        )
