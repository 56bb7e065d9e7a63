"""S4D: a diagonal state space per channel, trained as a convolution and run as a recurrence."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lagbench import Cost, Mixer, State, UserError, register
from lagbench.kernels.linear_scan import linear_scan
from lagbench.layers.block import Residual
from lagbench.layers.chunks import by_chunks
from lagbench.layers.fourier import convolve


class S4DMixer(Mixer):
    """One S4D layer, without its block: a state space per channel, then channels mixed by a GLU."""

    def __init__(self, width: int, state: int) -> None:
        super().__init__()
        pairs = state // 2
        steps = torch.rand(width) * math.log(0.1 / 0.001) + math.log(0.001)
        self.log_step = nn.Parameter(steps)
        self.log_decay = nn.Parameter(torch.full((width, pairs), math.log(0.5)))
        self.frequency = nn.Parameter(math.pi * torch.arange(pairs).float().repeat(width, 1))
        self.C = nn.Parameter(torch.randn(width, pairs, 2) / math.sqrt(2))
        self.D = nn.Parameter(torch.randn(width))
        self.mix = nn.Linear(width, 2 * width)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """`(B, T, D)` -> `(B, T, D)`, by convolution."""
        return self._mixed(x, convolve(x, self.kernel(x.shape[1])))

    def extend(self, x: Tensor, state: State = None) -> tuple[Tensor, State]:
        """By recurrence; the state is `h` `(B, D, N / 2)`, complex."""
        y, state = by_chunks(self._read, [x], state, dim=1)
        return self._mixed(x, y), state

    def kernel(self, T: int) -> Tensor:
        """`K_t = 2 Re Σ_n C_n B̄_n Ā_n^t` for `t < T`: `(D, T)`.

        With `t = r · i + j`, it is a product of `√T` powers with `√T` others, so that no tensor has
        a number for every channel, state and step.
        """
        exponent, B, C = self._discrete()
        r = math.isqrt(T - 1) + 1
        powers = torch.arange(r, device=exponent.device)
        rows = (C * B)[..., None] * torch.exp(r * exponent[..., None] * powers)
        kernel = 2 * (rows.mT @ torch.exp(exponent[..., None] * powers)).real
        return kernel.flatten(1)[:, :T]

    def _read(self, x: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        exponent, B, C = self._discrete()
        h = linear_scan(exponent.exp()[None, None], B * x[..., None], state)
        return 2 * (C * h).sum(-1).real, h[:, -1]

    def _discrete(self) -> tuple[Tensor, Tensor, Tensor]:
        """`Δ A`, `B̄` and `C`, complex `(D, N / 2)` each."""
        A = torch.complex(-self.log_decay.exp(), self.frequency)
        exponent = self.log_step.exp()[:, None] * A
        return exponent, (exponent.exp() - 1) / A, torch.view_as_complex(self.C)

    def _mixed(self, x: Tensor, y: Tensor) -> Tensor:
        return F.glu(self.mix(F.gelu(y + self.D * x)))


@dataclass(frozen=True)
class S4D(Residual):
    """S4D-Lin: diagonal state spaces, discretised by zero-order hold, in pre-norm residual blocks.

        h′ = A h + B x,  y = 2 Re(C h) + D x,  with A_n = −½ + i π n to begin with, and B = 1
        Ā = exp(Δ A),  B̄ = (Ā − 1) / A
        h_t = Ā ⊙ h_{t−1} + B̄ x_t,  or at once  y = K ∗ x + D x  with  K_t = 2 Re Σ_n C_n B̄_n Ā_n^t

    separately for every channel; then `GLU(W GELU(y))` mixes channels. `Re A < 0` by construction.

    Source: Gu et al. 2022, "On the parameterization and initialization of diagonal state space
    models", arXiv:2206.11893.

    Attributes:
        layers: residual blocks above one another.
        state: `N`, real numbers per channel, in conjugate pairs; even.
    """

    cost = Cost(compute="T log T", path="T", sequential="log T")
    state: int = 64

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.state % 2:
            raise UserError(f"state must be even, not {self.state}.")

    def mixer(self, width: int) -> Mixer:
        return S4DMixer(width, self.state)


register("s4d", S4D())
