"""An echo state network: a recurrence that is drawn once and never trained."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lagbench import Architecture, Cost, Mixer, Signature, State, register


class Reservoir(Mixer):
    """`(B, T, D) -> (B, T, D)`: a fixed recurrence, and a dense layer that reads its state."""

    def __init__(self, width: int, radius: float) -> None:
        super().__init__()
        draws = torch.Generator().manual_seed(0)  # the same reservoir for every seed
        recur = torch.randn(width, width, generator=draws)
        self.register_buffer("recur", recur * (radius / torch.linalg.eigvals(recur).abs().max()))
        self.register_buffer("read", torch.randn(width, width, generator=draws) * width**-0.5)
        self.dense = nn.Linear(width, width)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """As declared; causal, so that padding cannot matter."""
        return self.extend(x)[0]

    def extend(self, x: Tensor, state: State = None) -> tuple[Tensor, State]:
        """The state is `h`, `(B, D)`."""
        h = torch.zeros_like(x[:, 0]) if state is None else state
        states = []
        for driven in (x @ self.read).unbind(1):
            h = torch.tanh(driven + h @ self.recur)
            states.append(h)
        return self.dense(torch.stack(states, dim=1)), h


@dataclass(frozen=True)
class EchoState(Architecture):
    """A recurrence that is drawn once and never trained; a dense layer reads its state.

        h_t = tanh(W x_t + U h_{t−1})    y_t = V h_t + b,  W and U fixed

    Source: Jaeger 2001, "The 'echo state' approach to analysing and training recurrent neural
    networks".

    Attributes:
        radius: the spectral radius of U.
    """

    cost = Cost(compute="T", path="T", sequential="T")
    radius: float = 0.95

    def build(self, width: int, signature: Signature) -> Mixer:
        """A reservoir of D units."""
        return Reservoir(width, self.radius)


register("echo_state", EchoState())
