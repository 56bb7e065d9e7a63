"""A Transformer and its parts (Vaswani et al. 2017), normalised first (Xiong et al. 2020).

Inside, the steps of all examples stand in one matrix `(B * t, D)`: `torch.func.vmap` would copy a
weight for every further dimension of what it is multiplied with.

`H` heads of size `d = D / H`. Queries, keys and values have no bias terms: a key's would shift
all scores of a query alike, which a softmax does not see, and a value's is the output's.
"""

from collections.abc import Iterable
from typing import cast

import torch
from torch import Tensor, nn

from lagbench.contract import Mixer
from lagbench.layers import self_attention as kernel
from lagbench.layers.attention import (
    Cache,
    Scope,
    appended,
    attend,
    longer,
    self_scope,
    weights,
)
from lagbench.layers.mlp import FeedForward
from lagbench.layers.positions import Positions, rotate


class SelfAttention(nn.Module):
    """Multi-head attention of a sequence over itself and what came before."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.project = nn.Linear(width, 3 * width, bias=False)
        self.merge = nn.Linear(width, width)

    def forward(self, x: Tensor, scope: Scope) -> Tensor:
        """`(B * T, D)`, of whole sequences."""
        if kernel.attends(x, scope):
            return kernel.self_attention(x, self._weights(), self.heads, scope)
        projected = self.project(self.norm(x))
        return x + _joined(attend(*self._heads(projected, scope), scope), self.merge)

    def extend(self, x: Tensor, scope: Scope, cache: Cache | None = None) -> tuple[Tensor, Cache]:
        """`(B * t, D)`, and the cache with these steps after those already there."""
        if kernel.decodes(x, scope):
            if cache is None and scope.bias is None:
                return kernel.beginning(x, self._weights(), self.heads, scope)
            if cache is not None and len(x) == scope.batch:
                cache = longer(cache[0], 1), longer(cache[1], 1)
                return kernel.step(x, self._weights(), cache, scope), cache
        query, key, value = self._heads(self.project(self.norm(x)), scope)
        if cache is not None:
            key, value = appended(cache[0], key), appended(cache[1], value)
        return x + _joined(attend(query, key, value, scope), self.merge), (key, value)

    def weights(self, x: Tensor, scope: Scope) -> Tensor:
        """How `x` `(B * T, D)` attends to itself: `(B, H, T, T)`, for probes."""
        query, key, _ = self._heads(self.project(self.norm(x)), scope)
        return weights(query, key, scope)

    def _weights(self) -> list[Tensor]:
        return _weights(self.norm, self.project, self.merge)

    def _heads(self, projected: Tensor, scope: Scope) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values, `(B, H, t, d)` each."""
        heads = _heads(projected, scope.batch, 3, self.heads)
        if scope.rotation is None:
            query, key, value = heads.unbind()
        else:
            turning, staying = torch.split(heads, [2, 1])
            query, key, value = (*rotate(turning, scope.rotation).unbind(), *staying.unbind())
        return query, key, value


class CrossAttention(nn.Module):
    """Multi-head attention of a sequence over another one, its memory."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.query = nn.Linear(width, width, bias=False)
        self.memory = nn.Linear(width, 2 * width, bias=False)
        self.merge = nn.Linear(width, width)

    def read(self, memory: Tensor) -> Cache:
        """The keys and values of a memory `(B, S, D)`, computed once a source."""
        heads = _heads(self.memory(memory.flatten(0, 1)), memory.shape[0], 2, self.heads)
        key, value = heads.contiguous().unbind()  # every step of decoding reads all of them
        return key, value

    def forward(self, x: Tensor, memory: Cache, scope: Scope) -> Tensor:
        """`(B * t, D)`."""
        if len(x) == scope.batch and kernel.decodes(x, scope):
            weights = _weights(self.norm, self.query, self.merge)
            return kernel.step(x, weights, memory, scope)
        return x + _joined(attend(self._queries(x, scope), *memory, scope), self.merge)

    def weights(self, x: Tensor, memory: Cache, scope: Scope) -> Tensor:
        """How `x` `(B * t, D)` attends to the memory: `(B, H, t, S)`, for probes."""
        return weights(self._queries(x, scope), memory[0], scope)

    def _queries(self, x: Tensor, scope: Scope) -> Tensor:
        return _heads(self.query(self.norm(x)), scope.batch, 1, self.heads).squeeze(0)


class AttentionBlock(nn.Module):
    """Self-attention, then a perceptron of four times the width with GELU."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention = SelfAttention(width, heads)
        self.feedforward = FeedForward(width, 4 * width)

    def forward(self, x: Tensor, scope: Scope) -> Tensor:
        """`(B * T, D)`, of whole sequences."""
        return cast(Tensor, self.feedforward(self.attention(x, scope)))

    def extend(self, x: Tensor, scope: Scope, cache: Cache | None = None) -> tuple[Tensor, Cache]:
        """`(B * t, D)`, and the cache after these steps."""
        x, cache = self.attention.extend(x, scope, cache)
        return self.feedforward(x), cache


class TransformerMixer(Mixer):
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
        scope = self._scope(x, mask)
        steps = self.positions.add(x).flatten(0, 1)
        for block in self.blocks:
            steps = block(steps, scope)
        return torch.unflatten(self.norm(steps), 0, x.shape[:2])

    def extend(
        self, x: Tensor, state: tuple[Cache, ...] | None = None
    ) -> tuple[Tensor, tuple[Cache, ...]]:
        """Read `t` further steps; the state is the keys and values of every layer."""
        seen = 0 if state is None else state[0][0].shape[2]
        scope = self_scope(x, self.positions, True, seen=seen, stacked=self.stacked)
        steps = self.positions.add(x, seen).flatten(0, 1)
        caches = []
        for layer, block in enumerate(cast(Iterable[AttentionBlock], self.blocks)):
            steps, cache = block.extend(steps, scope, None if state is None else state[layer])
            caches.append(cache)
        return torch.unflatten(self.norm(steps), 0, x.shape[:2]), tuple(caches)

    def attention(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """The attention weights `(B, layers, H, T, T)`, for probes; a row sums to one."""
        scope = self._scope(x, mask)
        steps = self.positions.add(x).flatten(0, 1)
        found = []
        for block in cast(Iterable[AttentionBlock], self.blocks):
            found.append(block.attention.weights(steps, scope))
            steps = block(steps, scope)
        return torch.stack(found, dim=1)

    def _scope(self, x: Tensor, mask: Tensor | None) -> Scope:
        mask = None if self.causal else mask
        return self_scope(x, self.positions, self.causal, mask, stacked=self.stacked)


def _weights(norm: nn.LayerNorm, project: nn.Linear, merge: nn.Linear) -> list[Tensor]:
    """As kernels take them."""
    return [norm.weight, norm.bias, project.weight, merge.weight, merge.bias]


def _heads(x: Tensor, batch: int, parts: int, heads: int) -> Tensor:
    """`(B * t, parts * D) -> (parts, B, H, t, d)`."""
    return x.view(batch, -1, parts, heads, x.shape[1] // (parts * heads)).permute(2, 0, 3, 1, 4)


def _joined(heads: Tensor, merge: nn.Linear) -> Tensor:
    """`(B, H, t, d) -> (B * t, D)`."""
    result: Tensor = merge(heads.transpose(1, 2).flatten(2).flatten(0, 1))
    return result
