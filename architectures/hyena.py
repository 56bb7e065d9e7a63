"""Hyena: long convolutions with implicit filters, gated by what is read."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lagbench import Cost, Mixer, UserError, register
from lagbench.layers.block import Residual
from lagbench.layers.convolution import CausalConvolution
from lagbench.layers.fourier import convolve


class Filters(nn.Module):
    """`order` filters per channel of any length: a window times a small network of the position."""

    waves, hidden = 16, 32

    def __init__(self, width: int, order: int, reach: int) -> None:
        super().__init__()
        self.reach = reach
        self.enter = nn.Linear(2 * self.waves, self.hidden)
        self.middle = nn.Linear(self.hidden, self.hidden)
        self.leave = nn.Linear(self.hidden, order * width, bias=False)
        self.log_decay = nn.Parameter(-torch.linspace(0, math.log(reach), width).repeat(order, 1))

    def forward(self, T: int) -> Tensor:
        """The filters' first `T` values, `(order, D, T)`; they do not depend on `T`."""
        decay = self.log_decay.exp()[..., None]
        t = torch.arange(T, device=decay.device, dtype=decay.dtype)
        scale = torch.linspace(0, 1, self.waves, device=t.device, dtype=t.dtype)
        angles = math.tau * t[:, None] / (4 * (self.reach / 2) ** scale)
        hidden = self.enter(torch.cat([angles.sin(), angles.cos()], dim=-1)).sin()
        values = self.leave(self.middle(hidden).sin()).mT
        energy = -torch.expm1(-2 * decay)  # its root makes outputs about as large as inputs
        window = energy.sqrt() * torch.exp(-decay * t)
        return window * torch.unflatten(values, 0, decay.shape[:2])


class HyenaMixer(Mixer):
    """One Hyena operator, without its block. Its state is the inputs so far, as the default has it.

    There is no constant-size state: a filter of any shape remembers every input by itself.
    """

    def __init__(self, width: int, order: int, reach: int) -> None:
        super().__init__()
        inner = (order + 1) * width
        self.project = nn.Linear(width, inner)
        self.convolution = CausalConvolution(inner, inner, kernel=3, groups=inner)
        self.filters = Filters(width, order, reach)
        self.skip = nn.Parameter(torch.randn(order, width))
        self.merge = nn.Linear(width, width)
        self.order = order

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        z, *gates = self.convolution(self.project(x)).chunk(self.order + 1, dim=-1)
        filters = self.filters(x.shape[1])
        for gate, kernel, skip in zip(gates, filters, self.skip, strict=True):
            z = gate * (convolve(z, kernel) + skip * z)
        y: Tensor = self.merge(z)
        return y


@dataclass(frozen=True)
class Hyena(Residual):
    """The Hyena operator, in pre-norm residual blocks.

        v, x¹, …, x^N = conv(W x)                        (causal, 3 steps, each channel by itself)
        z¹ = v,  z^{n+1} = x^n ⊙ (h^n ∗ z^n + s^n ⊙ z^n),  y = W_y z^{N+1}
        h^n_t = exp(−α^n t) ⊙ FFN(sines and cosines of t),  FFN: two hidden layers, sine activations

    The paper encodes a position as a share of the longest sequence; here positions are absolute, so
    that a filter does not change with the length, and reads sequences of any length.

    Source: Poli et al. 2023, "Hyena hierarchy: towards larger convolutional language models",
    arXiv:2302.10866.

    Attributes:
        layers: residual blocks above one another.
        order: `N`, how often it convolves and gates.
        reach: steps of the slowest window's decay, to begin with, and half the longest wavelength;
            the shortest is 4 steps.
    """

    cost = Cost(compute="T log T", path="1", sequential="log T")
    order: int = 2
    reach: int = 1024

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.reach < 2:
            raise UserError(f"reach must be at least 2, not {self.reach}.")

    def mixer(self, width: int) -> Mixer:
        return HyenaMixer(width, self.order, self.reach)


register("hyena", Hyena())
