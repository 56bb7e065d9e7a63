"""Recurrent layers that read forward and backward: `birnn`, `bigru`, `bilstm`, `deep_bilstm`."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from lagbench import Architecture, Cost, Mixer, Pool, Signature, UserError, register
from lagbench.hints import ArchitectureHints
from lagbench.layers.padding import reverse
from lagbench.layers.recurrent import GRULayer, LSTMLayer, RecurrentLayer, RNNLayer

Merge = Literal["concat", "sum"]


class BidirectionalLayer(Mixer):
    """`(B, T, D) -> (B, T, D)`: two layers, one of which reads the real steps in reverse."""

    def __init__(self, cell: type[RecurrentLayer], width: int, merge: Merge) -> None:
        super().__init__()
        units = width // 2 if merge == "concat" else width
        self.merge = merge
        self.ahead = cell(width, units)
        self.back = cell(width, units)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """As declared; padding stays behind the real steps in both directions."""
        ahead: Tensor = self.ahead(x)
        back = reverse(self.back(reverse(x, mask)), mask)
        return torch.cat([ahead, back], dim=-1) if self.merge == "concat" else ahead + back


class BidirectionalStack(Mixer):
    """`(B, T, D) -> (B, T, D)`: layers that each read both directions of the one below."""

    def __init__(self, layers: list[BidirectionalLayer]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        for layer in self.layers:
            x = layer(x, mask)
        return x


@dataclass(frozen=True)
class Bidirectional(Architecture, ArchitectureHints):
    """Recurrent layers that read in both directions.

    Attributes:
        layers: above one another, each in both directions and with its own parameters.
        merge: `concat`, with D / 2 units in each direction, or `sum`, with D.
    """

    cost = Cost(compute="T", path="T", sequential="T")
    pool: ClassVar[Pool] = Pool.ENDS
    cell: ClassVar[type[RecurrentLayer]]
    layers: int = 1
    merge: Merge = "concat"

    def __post_init__(self) -> None:
        if self.layers < 1:
            raise UserError("layers must be at least 1.")

    @property
    def causal(self) -> bool:
        """False: every output has seen every step."""
        return False

    @property
    def width_multiple(self) -> int:
        """2 where each direction has half of an output."""
        return 2 if self.merge == "concat" else 1

    @property
    def max_vmap_tokens(self) -> int | None:
        return self.cell.max_vmap_tokens()

    def build(self, width: int, signature: Signature) -> Mixer:
        """Both directions of each layer, with parameters of their own."""
        return BidirectionalStack(
            [BidirectionalLayer(self.cell, width, self.merge) for _ in range(self.layers)]
        )


@dataclass(frozen=True)
class BiRNN(Bidirectional):
    """Two simple recurrent networks, of which one reads from the end.

        f_t = tanh(W x_t + U f_{t−1} + c)         y_t = [f_t; b_t], or f_t + b_t
        b_t = tanh(W′ x_t + U′ b_{t+1} + c′)

    Source: Schuster and Paliwal 1997, "Bidirectional recurrent neural networks".

    Attributes:
        layers: above one another, each in both directions and with its own parameters.
        merge: `concat`, with D / 2 units in each direction, or `sum`, with D.
    """

    cell = RNNLayer


@dataclass(frozen=True)
class BiGRU(Bidirectional):
    """Two gated recurrent units, of which one reads from the end.

        f_t = GRU(x_t, f_{t−1})    b_t = GRU′(x_t, b_{t+1})    y_t = [f_t; b_t], or f_t + b_t

    Source: Schuster and Paliwal 1997, "Bidirectional recurrent neural networks"; the cell is that
    of `gru`.

    Attributes:
        layers: above one another, each in both directions and with its own parameters.
        merge: `concat`, with D / 2 units in each direction, or `sum`, with D.
    """

    cell = GRULayer


@dataclass(frozen=True)
class BiLSTM(Bidirectional):
    """Two long short-term memories, of which one reads from the end.

        f_t = LSTM(x_t, f_{t−1})    b_t = LSTM′(x_t, b_{t+1})    y_t = [f_t; b_t], or f_t + b_t

    Source: Graves and Schmidhuber 2005, "Framewise phoneme classification with bidirectional LSTM
    and other neural network architectures"; the cell is that of `lstm`.

    Attributes:
        layers: above one another, each in both directions and with its own parameters.
        merge: `concat`, with D / 2 units in each direction, or `sum`, with D.
    """

    cell = LSTMLayer


register("birnn", BiRNN())
register("bigru", BiGRU())
register("bilstm", BiLSTM())
register("deep_bilstm", BiLSTM(layers=2))
