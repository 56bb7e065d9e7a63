"""The encoder–decoder Transformer."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from lagbench import Cost, EncoderDecoder, Signature, Transducer, UserError, register
from lagbench.hints import ArchitectureHints, CoreHints
from lagbench.kernels.attention import AttentionContext, Cache
from lagbench.layers.block import FeedForward
from lagbench.layers.positions import Encoding, Positions
from lagbench.layers.transformer import (
    CrossAttention,
    SelfAttention,
    TransformerMixer,
    self_attention_context,
)

State = tuple[tuple[Cache, ...], tuple[Cache, ...], tuple[Tensor, ...]]


@dataclass(frozen=True)
class TransformerSeq2Seq(EncoderDecoder, ArchitectureHints):
    """Causal attention over the targets so far, and in every layer attention over the source.

        encoder:  x ← x + Attention(norm(x)),  x ← x + W₂ GELU(W₁ norm(x));  m = norm(x)
        decoder:  y ← y + CausalAttention(norm(y)),  y ← y + Attention(norm(y), m),
                  y ← y + W₂ GELU(W₁ norm(y));  outputs are norm(y)

    Attention to the source has no positions of its own: what `rotary` or `alibi` do to scores
    stays within source and target, while `sinusoidal` and `learned` cross with the inputs.

    Source: Vaswani et al. 2017, "Attention is all you need"; the norms stand first, as in Xiong et
    al. 2020, "On layer normalization in the Transformer architecture".

    Attributes:
        layers: blocks of the encoder, and blocks of the decoder.
        heads: attentions side by side in a block.
        positions: sinusoidal, learned, rotary, alibi or none; all but `learned` extrapolate.
        table: how many positions `learned` has for the source, and how many for the target.
    """

    cost = Cost(compute="T²", path="1", sequential="1")
    layers: int = 2
    heads: int = 2
    positions: Encoding = "sinusoidal"
    table: int = 512

    def __post_init__(self) -> None:
        if min(self.layers, self.heads, self.table) < 1:
            raise UserError("layers, heads and table must be at least 1.")

    @property
    def max_length(self) -> int | None:
        """The size of a table, where positions are learned."""
        return self.table if self.positions == "learned" else None

    @property
    def max_vmap_tokens(self) -> int | None:
        """512: beyond, batched products of so many small matrices gain nothing."""
        return 512

    @property
    def width_multiple(self) -> int:
        """Heads are of one size, an even one where pairs are rotated."""
        return 2 * self.heads if self.positions == "rotary" else self.heads

    def build(self, width: int, signature: Signature) -> Transducer:
        """Both stacks of the width of their inputs, with positions of their own."""
        source, target = (
            Positions(self.positions, width, self.heads, self.table) for _ in range(2)
        )
        encoder = TransformerMixer(width, self.layers, self.heads, source, causal=False)
        return TransformerTransducer(encoder, width, self.layers, self.heads, target)


class TransformerTransducer(Transducer, CoreHints):
    """`(B, T, D)` and `(B, U, D) -> (B, U, D)`."""

    def __init__(
        self, encoder: TransformerMixer, width: int, layers: int, heads: int, positions: Positions
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.positions = positions
        self.blocks = nn.ModuleList(DecoderBlock(width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def start(self, source: Tensor, mask: Tensor | None = None) -> State:
        """No targets yet; keys and values of the source for every layer; the mask, if there is."""
        memory = self.encoder(source, mask)
        memories = tuple(block.cross.project_memory(memory) for block in self._blocks())
        return (), memories, () if mask is None else (mask,)

    def forward(self, source: Tensor, mask: Tensor | None, prefix: Tensor) -> Tensor:
        """As declared, without a cache."""
        _, memories, visible = self.start(source, mask)
        within, across = self._within(prefix), self._across(prefix, visible)
        y = self.positions.add(prefix).flatten(0, 1)
        for block, memory in zip(self._blocks(), memories, strict=True):
            y = block(y, memory, within, across)
        return torch.unflatten(self.norm(y), 0, prefix.shape[:2])

    def extend(self, prefix: Tensor, state: State) -> tuple[Tensor, State]:
        """Read `u` further targets; their keys and values join those of the targets so far."""
        caches, memories, mask = state
        seen = caches[0][0].shape[2] if caches else 0
        within, across = self._within(prefix, seen), self._across(prefix, mask)
        y = self.positions.add(prefix, seen).flatten(0, 1)
        after = []
        for layer, block in enumerate(self._blocks()):
            before = caches[layer] if caches else None
            y, cache = block.extend(y, memories[layer], within, across, before)
            after.append(cache)
        return torch.unflatten(self.norm(y), 0, prefix.shape[:2]), (tuple(after), memories, mask)

    def attention(self, source: Tensor, mask: Tensor | None, prefix: Tensor) -> Tensor:
        """The weights of attention to the source `(B, layers, H, U, T)`, for probes."""
        _, memories, visible = self.start(source, mask)
        within, across = self._within(prefix), self._across(prefix, visible)
        y = self.positions.add(prefix).flatten(0, 1)
        weights = []
        for block, memory in zip(self._blocks(), memories, strict=True):
            weights.append(
                block.cross.attention_weights(block.attention(y, within), memory, across)
            )
            y = block(y, memory, within, across)
        return torch.stack(weights, dim=1)

    def _within(self, prefix: Tensor, seen: int = 0) -> AttentionContext:
        return self_attention_context(
            prefix, self.positions, True, seen=seen, under_vmap=self.under_vmap
        )

    def _across(self, prefix: Tensor, mask: tuple[Tensor, ...]) -> AttentionContext:
        bias = mask[0][:, None, None] if mask else None
        return AttentionContext(prefix.shape[0], bias, under_vmap=self.under_vmap)

    def _blocks(self) -> Iterable["DecoderBlock"]:
        return cast(Iterable[DecoderBlock], self.blocks)


class DecoderBlock(nn.Module):
    """Attention to the targets so far and to the source, and an MLP."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention = SelfAttention(width, heads)
        self.cross = CrossAttention(width, heads)
        self.feedforward = FeedForward(width, 4 * width)

    def forward(
        self, y: Tensor, memory: Cache, within: AttentionContext, across: AttentionContext
    ) -> Tensor:
        """`(B * U, D)`, of whole sequences."""
        return self._rest(self.attention(y, within), memory, across)

    def extend(
        self,
        y: Tensor,
        memory: Cache,
        within: AttentionContext,
        across: AttentionContext,
        cache: Cache | None,
    ) -> tuple[Tensor, Cache]:
        """`(B * u, D)`, and the cache of targets after these."""
        y, cache = self.attention.extend(y, within, cache)
        return self._rest(y, memory, across), cache

    def _rest(self, y: Tensor, memory: Cache, across: AttentionContext) -> Tensor:
        return cast(Tensor, self.feedforward(self.cross(y, memory, across)))


register("transformer_seq2seq", TransformerSeq2Seq())
