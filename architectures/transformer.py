"""The Transformer of one stack: the bidirectional encoder, and the causal one."""

from dataclasses import dataclass

from lagbench import Architecture, Cost, Mixer, Signature, UserError, register
from lagbench.hints import ArchitectureHints
from lagbench.layers.positions import Encoding, Positions
from lagbench.layers.transformer import TransformerMixer


@dataclass(frozen=True)
class Transformer(Architecture, ArchitectureHints):
    """Self-attention: every step reads every other one directly, at a cost of T².

        x ← x + Attention(norm(x)),  x ← x + W₂ GELU(W₁ norm(x))

    `layers` times, then a norm; Attention(Q, K, V) = softmax(Q Kᵀ / √d) V in `heads` heads.

    Source: Vaswani et al. 2017, "Attention is all you need"; the norms stand first, as in Xiong et
    al. 2020, "On layer normalization in the Transformer architecture".

    Attributes:
        layers: blocks above one another, of attention and an MLP each.
        heads: attentions side by side in a block.
        positions: sinusoidal, learned, rotary, alibi or none; all but `learned` extrapolate.
        table: how many positions `learned` has, and so the most steps that it can read.
        causal: whether steps see only themselves and those before.
    """

    cost = Cost(compute="T²", path="1", sequential="1")
    layers: int = 2
    heads: int = 2
    positions: Encoding = "rotary"
    table: int = 512
    causal: bool = False

    def __post_init__(self) -> None:
        if min(self.layers, self.heads, self.table) < 1:
            raise UserError("layers, heads and table must be at least 1.")

    @property
    def max_length(self) -> int | None:
        """The size of the table, where positions are learned."""
        return self.table if self.positions == "learned" else None

    @property
    def max_vmap_tokens(self) -> int | None:
        """512: beyond, batched products of so many small matrices gain nothing."""
        return 512

    @property
    def width_multiple(self) -> int:
        """Heads are of one size, an even one where pairs are rotated."""
        return 2 * self.heads if self.positions == "rotary" else self.heads

    def build(self, width: int, signature: Signature) -> Mixer:
        """Blocks of the width of their inputs, with MLPs four times as wide inside."""
        positions = Positions(self.positions, width, self.heads, self.table)
        return TransformerMixer(width, self.layers, self.heads, positions, self.causal)


register("transformer", Transformer())
register("transformer_causal", Transformer(causal=True))
