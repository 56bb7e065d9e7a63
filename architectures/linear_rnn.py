"""The linear recurrence on which vanishing and exploding gradients can be read off."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lagbench import Architecture, Cost, Mixer, Signature, State, UserError, register
from lagbench.kernels.linear_scan import linear_scan


class LinearMixer(Mixer):
    """One linear recurrence with a diagonal matrix."""

    def __init__(self, width: int, scale: float) -> None:
        super().__init__()
        self.recur = nn.Parameter(torch.full((width,), scale))
        self.read = nn.Linear(width, width)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """`(B, T, D) -> (B, T, D)`; causal, so that padding cannot matter."""
        return self.extend(x)[0]

    def extend(self, x: Tensor, state: State = None) -> tuple[Tensor, State]:
        """The state is `h` `(B, D)`."""
        h = linear_scan(self.recur[None, None], self.read(x), state)
        return h, h[:, -1]


@dataclass(frozen=True)
class LinearRNN(Architecture):
    """A simple recurrent network without its nonlinearity, every unit by itself.

        h_t = W h_{t−1} + V x_t + b,    W = diag(w)

    So `∂ h_t / ∂ h_{t−k} = W^k`: to begin with all of w is `scale`, and what k steps lie between
    is multiplied by `scale^k`, which explodes above 1 and vanishes below. W is learned.

    Source: Pascanu et al. 2013, "On the difficulty of training recurrent neural networks", section
    2.1, where the linear case is worked out.

    Attributes:
        scale: what all of w begins at, above 0.
    """

    cost = Cost(compute="T", path="T", sequential="log T")
    scale: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.scale < float("inf"):
            raise UserError(f"scale must be a positive number, not {self.scale}.")

    def build(self, width: int, signature: Signature) -> Mixer:
        """`D² + 2D` parameters."""
        return LinearMixer(width, self.scale)


register("linear_rnn", LinearRNN())
