"""minGRU and minLSTM: gated recurrences whose gates do not read the state, and so are linear.

Source: Feng et al. 2024, "Were RNNs all we needed?", arXiv:2410.01201. Both are the paper's in its
own symbols, computed in linear space, so that candidates need not be positive. One layer of them
decides what to keep from the present input alone; the paper finds two enough for selective copying.
"""

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from lagbench import Cost, Mixer, State, register
from lagbench.kernels.linear_scan import linear_scan
from lagbench.layers.block import Residual


class MinGRUMixer(Mixer):
    """One minGRU layer, without its block."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.project = nn.Linear(width, 2 * width)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        return self.extend(x)[0]

    def extend(self, x: Tensor, state: State = None) -> tuple[Tensor, State]:
        """The state is `h` `(B, D)`."""
        gate, candidate = self.project(x).chunk(2, dim=-1)
        z = gate.sigmoid()
        h = linear_scan(1 - z, z * candidate, state)
        return h, h[:, -1]


class MinLSTMMixer(Mixer):
    """One minLSTM layer, without its block."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.project = nn.Linear(width, 3 * width)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        return self.extend(x)[0]

    def extend(self, x: Tensor, state: State = None) -> tuple[Tensor, State]:
        """The state is `h` `(B, D)`."""
        forget, enter, candidate = self.project(x).chunk(3, dim=-1)
        odds = logsigmoid(enter) - logsigmoid(forget)  # log (i / f), finite where both vanish
        h = linear_scan((-odds).sigmoid(), odds.sigmoid() * candidate, state)
        return h, h[:, -1]


@dataclass(frozen=True)
class MinGRU(Residual):
    """The minimal GRU, in pre-norm residual blocks.

        z_t = σ(W_z x_t + b_z)
        h̃_t = W_h x_t + b_h
        h_t = (1 − z_t) ⊙ h_{t−1} + z_t ⊙ h̃_t

    Source: Feng et al. 2024, "Were RNNs all we needed?", section 3.1.

    Attributes:
        layers: residual blocks above one another.
    """

    cost = Cost(compute="T", path="T", sequential="log T")

    def mixer(self, width: int) -> Mixer:
        return MinGRUMixer(width)


@dataclass(frozen=True)
class MinLSTM(Residual):
    """The minimal LSTM, its forget and input gates sharing one unit, in pre-norm residual blocks.

        f_t = σ(W_f x_t + b_f),  i_t = σ(W_i x_t + b_i),  h̃_t = W_h x_t + b_h
        f′_t = f_t / (f_t + i_t),  i′_t = i_t / (f_t + i_t)
        h_t = f′_t ⊙ h_{t−1} + i′_t ⊙ h̃_t

    Source: Feng et al. 2024, "Were RNNs all we needed?", section 3.2.

    Attributes:
        layers: residual blocks above one another.
    """

    cost = Cost(compute="T", path="T", sequential="log T")

    def mixer(self, width: int) -> Mixer:
        return MinLSTMMixer(width)


register("min_gru", MinGRU())
register("min_lstm", MinLSTM())
