"""ELMo: the layers of a deep bidirectional LSTM, mixed by learned weights."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from lagbench import Architecture, Cost, Mixer, Pool, Signature, UserError, register
from lagbench.hints import ArchitectureHints
from lagbench.layers.padding import reverse
from lagbench.layers.recurrent import LSTMLayer


class ElmoMixer(Mixer):
    """`(B, T, D) -> (B, T, D)`: a stack of LSTMs for each direction, and the mix of all levels."""

    def __init__(self, width: int, layers: int) -> None:
        super().__init__()
        units = width // 2
        inputs = [width] + [units] * (layers - 1)
        self.ahead = nn.ModuleList([LSTMLayer(size, units) for size in inputs])
        self.back = nn.ModuleList([LSTMLayer(size, units) for size in inputs])
        self.weights = nn.Parameter(torch.zeros(layers + 1))  # before the softmax
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """As declared; padding stays behind the real steps in both directions."""
        ahead, back = x, reverse(x, mask)
        levels = [x]
        for forward, backward in zip(self.ahead, self.back, strict=True):
            ahead, back = forward(ahead), backward(back)
            levels.append(torch.cat([ahead, reverse(back, mask)], dim=-1))
        mixed = torch.stack(levels, dim=-1) @ torch.softmax(self.weights, dim=0)
        return self.scale * mixed


@dataclass(frozen=True)
class Elmo(Architecture, ArchitectureHints):
    """The layers of a deep bidirectional LSTM, mixed by learned weights.

        →h_{t,j} = LSTM_j(→h_{t,j−1}, →h_{t−1,j})    h_{t,0} = x_t
        ←h_{t,j} = LSTM′_j(←h_{t,j−1}, ←h_{t+1,j})   h_{t,j} = [→h_{t,j}; ←h_{t,j}]
        y_t = γ Σ_j s_j h_{t,j},  s = softmax(w),  j = 0 … layers

    Unlike in `deep_bilstm`, no layer of one direction reads the other: each could be trained as a
    language model by itself, and was; here all is trained together, on the task.

    Source: Peters et al. 2018, "Deep contextualized word representations", section 3.2.

    Attributes:
        layers: above one another in each direction, of D / 2 units.
    """

    cost = Cost(compute="T", path="T", sequential="T")
    pool: ClassVar[Pool] = Pool.ENDS
    layers: int = 2

    def __post_init__(self) -> None:
        if self.layers < 1:
            raise UserError("layers must be at least 1.")

    @property
    def causal(self) -> bool:
        """False: one direction comes from the end."""
        return False

    @property
    def width_multiple(self) -> int:
        """2: each direction has half of an output."""
        return 2

    @property
    def max_vmap_tokens(self) -> int | None:
        return LSTMLayer.max_vmap_tokens()

    def build(self, width: int, signature: Signature) -> Mixer:
        """The stacks of both directions, and equal shares to begin with."""
        return ElmoMixer(width, self.layers)


register("elmo", Elmo())
