"""Mamba: a state space whose steps, inputs and outputs are chosen by what is read."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lagbench import Cost, Mixer, State, register
from lagbench.kernels.selective_scan import selective_scan
from lagbench.layers.block import Residual
from lagbench.layers.convolution import CausalConvolution


class MambaMixer(Mixer):
    """One Mamba block without its norm and residual."""

    def __init__(self, width: int, state: int, expansion: int, kernel: int) -> None:
        super().__init__()
        inner, rank = expansion * width, math.ceil(width / 16)
        self.sizes = (rank, state, state)
        self.enter = nn.Linear(width, 2 * inner, bias=False)
        self.convolution = CausalConvolution(inner, inner, kernel, groups=inner)
        self.select = nn.Linear(inner, sum(self.sizes), bias=False)
        self.step = nn.Linear(rank, inner)
        self.log_A = nn.Parameter(torch.arange(1.0, state + 1).log().repeat(inner, 1))
        self.D = nn.Parameter(torch.ones(inner))
        self.leave = nn.Linear(inner, width, bias=False)
        steps = torch.exp(torch.rand(inner) * math.log(0.1 / 0.001) + math.log(0.001))
        with torch.no_grad():
            self.step.bias.copy_(steps.expm1().log())  # the inverse of softplus

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        return self.extend(x)[0]

    def extend(self, x: Tensor, state: State = None) -> tuple[Tensor, State]:
        """The state is what the convolution has before it, and `h` `(B, E, N)`."""
        before, h = (None, None) if state is None else state
        u, gate = self.enter(x).chunk(2, dim=-1)
        u, before = self.convolution.extend(u, before)
        u = F.silu(u)
        low, B, C = self.select(u).split(self.sizes, dim=-1)
        delta = F.softplus(self.step(low))
        y, h = selective_scan(delta, u, -self.log_A.exp(), B, C, h)
        return self.leave((y + self.D * u) * F.silu(gate)), (before, h)


@dataclass(frozen=True)
class Mamba(Residual):
    """Mamba, in pre-norm residual blocks without a further MLP, as in the paper.

        u, g = W x                                        (E = expansion · D channels each)
        u = SiLU(conv(u))                                 (causal, each channel by itself)
        Δ = softplus(W_Δ u + b_Δ),  B = W_B u,  C = W_C u (Δ per channel, through a low rank)
        h_t = exp(Δ_t A) ⊙ h_{t−1} + Δ_t B_t u_t          (E × N states; A < 0 by construction)
        y_t = W_y ((C_t h_t + D ⊙ u_t) ⊙ SiLU(g_t))

    Source: Gu and Dao 2023, "Mamba: linear-time sequence modeling with selective state spaces",
    arXiv:2312.00752.

    Attributes:
        layers: residual blocks above one another.
        state: `N`, states per channel.
        expansion: channels per dimension of the width.
        kernel: steps of the convolution.
    """

    cost = Cost(compute="T", path="T", sequential="log T")
    mlp_expansion: ClassVar[int] = 0

    state: int = 16
    expansion: int = 2
    kernel: int = 4

    def mixer(self, width: int) -> Mixer:
        return MambaMixer(width, self.state, self.expansion, self.kernel)


register("mamba", Mamba())
