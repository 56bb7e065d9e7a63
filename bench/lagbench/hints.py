"""Optional hints from authors to the engine: they change how fast replicas train, never results.

No plain layer needs any of this. A class takes a hint by inheriting from it beside `Mixer`,
`Transducer` or `Architecture`.
"""

from torch import Tensor, nn


class CoreHints(nn.Module):
    """Hints of a core, or of a module inside one."""

    under_vmap: bool = False
    """Whether calls run under `torch.func.vmap`; set by the engine.

    A layer may use it to choose between a kernel without a batching rule and one that has one.
    """

    def forward_with_embedding(
        self, embed: nn.Module, source: Tensor, mask: Tensor | None = None
    ) -> Tensor:
        """Return `self(embed(source), mask)`; override it where the embedding can be fused.

        A core that begins with a linear map may multiply its weight with the embedding's.

        embed: the input embedding, raw source -> `(B, T, D)`: an `nn.Embedding`, an `nn.Linear`, or
            any other module.
        """
        outputs: Tensor = self(embed(source), mask)
        return outputs


class ArchitectureHints:
    """Hints of an architecture."""

    @property
    def max_vmap_tokens(self) -> int | None:
        """Largest `B * T` at which replicas train faster under vmap than in a loop, on a CPU.

        A measured value; None: always.
        """
        return None
