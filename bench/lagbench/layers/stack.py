"""Recurrent layers above one another, in one direction."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from lagbench.contract import Architecture, Cost, Mixer, Signature, State, UserError
from lagbench.hints import ArchitectureHints, CoreHints
from lagbench.layers.recurrent import RecurrentLayer


class Stack(Mixer, CoreHints):
    """Each layer reads the states of the one below; the state is the tuple of their states."""

    def __init__(self, layers: Sequence[RecurrentLayer]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """`(B, T, D) -> (B, T, H)`; causal, so that padding cannot matter."""
        return self.extend(x)[0]

    def forward_with_embedding(
        self, embed: nn.Module, source: Tensor, mask: Tensor | None = None
    ) -> Tensor:
        """As declared: by the first layer."""
        first, *others = self.layers
        assert isinstance(first, RecurrentLayer)
        x = first.forward_with_embedding(embed, source, mask)
        for layer in others:
            x = layer(x)
        return x

    def extend(self, x: Tensor, state: State = None) -> tuple[Tensor, State]:
        """Outputs `(B, T, H)` of the last layer, and the state after them."""
        states = []
        for layer, before in zip(self.layers, state or (None,) * len(self.layers), strict=True):
            assert isinstance(layer, RecurrentLayer)
            x, after = layer.extend(x, before)
            states.append(after)
        return x, tuple(states)


@dataclass(frozen=True)
class Recurrent(Architecture, ArchitectureHints):
    """A family of recurrent layers that are stacked, each with parameters of its own."""

    cost = Cost(compute="T", path="T", sequential="T")
    layers: int = 1

    def __post_init__(self) -> None:
        if self.layers < 1:
            raise UserError("layers must be at least 1.")

    @abstractmethod
    def layer(self, inputs: int, units: int) -> RecurrentLayer:
        """One layer of the family."""

    def build(self, width: int, signature: Signature) -> Mixer:
        """`D` units in each layer."""
        return Stack([self.layer(width, width) for _ in range(self.layers)])
