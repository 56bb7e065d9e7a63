"""The linear recurrent unit: a diagonal complex recurrence that forgets as slowly as it likes."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lagbench import Cost, Mixer, State, UserError, register
from lagbench.kernels.linear_scan import linear_scan
from lagbench.layers.block import Residual


class LRUMixer(Mixer):
    """One LRU layer, without its block."""

    def __init__(self, width: int, state: int, r_min: float, r_max: float, phase: float) -> None:
        super().__init__()
        squares = r_min**2 + torch.rand(state) * (r_max**2 - r_min**2)  # |λ|²
        self.nu = nn.Parameter((-0.5 * squares.log()).log())
        self.theta = nn.Parameter((phase * (1 - torch.rand(state))).log())
        self.gamma = nn.Parameter(0.5 * (1 - squares).log())
        self.B = nn.Parameter(torch.randn(2 * state, width) / math.sqrt(2 * width))
        self.C = nn.Parameter(torch.randn(width, 2 * state) / math.sqrt(state))
        self.D = nn.Parameter(torch.randn(width))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        return self.extend(x)[0]

    def extend(self, x: Tensor, state: State = None) -> tuple[Tensor, State]:
        """The state is `h` `(B, N)`, complex."""
        factor = torch.polar((-self.nu.exp()).exp(), self.theta.exp())
        terms = torch.view_as_complex(torch.unflatten(x @ self.B.mT, 2, (-1, 2)).contiguous())
        h = linear_scan(factor[None, None], self.gamma.exp() * terms, state)
        y = torch.view_as_real(h).flatten(2) @ self.C.mT
        return y + self.D * x, h[:, -1]


@dataclass(frozen=True)
class LRU(Residual):
    """The linear recurrent unit, in pre-norm residual blocks.

        λ = exp(−exp(ν) + i exp(θ)),  |λ| < 1 by construction
        h_t = λ ⊙ h_{t−1} + exp(γ) ⊙ B x_t          (complex, N states)
        y_t = Re(C h_t) + D ⊙ x_t

    `γ` begins at `log √(1 − |λ|²)`, which makes a state as large as its input, and is learned.

    Source: Orvieto et al. 2023, "Resurrecting recurrent neural networks for long sequences",
    arXiv:2303.06349; the MLP of our block stands for their gated linear unit.

    Attributes:
        layers: residual blocks above one another.
        state: `N`, complex numbers.
        r_min, r_max: `|λ|` begins between them, uniformly on the ring; above 0, below 1.
        phase: the angle of `λ` begins between 0 and this, at most 2π. A tenth of π is the paper's
            choice for its longest task: states that turn slowly are worth more over long times.
    """

    cost = Cost(compute="T", path="T", sequential="log T")
    state: int = 64
    r_min: float = 0.9
    r_max: float = 0.999
    phase: float = math.pi / 10

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.r_min < self.r_max < 1:
            raise UserError("r_min and r_max must lie in order between 0 and 1.")
        if not 0 < self.phase <= math.tau:
            raise UserError(f"phase must lie between 0 and 2π, not at {self.phase}.")

    def mixer(self, width: int) -> Mixer:
        return LRUMixer(width, self.state, self.r_min, self.r_max, self.phase)


register("lru", LRU())
