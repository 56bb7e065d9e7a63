"""A dense network over the last few steps: all there is to remember is in the window."""

from dataclasses import dataclass

from torch import Tensor, nn

from lagbench import Architecture, Cost, Mixer, Signature, State, UserError, register
from lagbench.layers.convolution import CausalConvolution


class WindowedDenseMixer(Mixer):
    """Two dense layers, the first over `window` steps side by side, at every step the same."""

    def __init__(self, width: int, window: int) -> None:
        super().__init__()
        self.inner = CausalConvolution(width, width, kernel=window)
        self.outer = nn.Linear(width, width)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """`(B, T, D) -> (B, T, D)`; causal, so that padding cannot matter."""
        return self.extend(x)[0]

    def extend(self, x: Tensor, state: State = None) -> tuple[Tensor, State]:
        """The state is the last `window − 1` inputs `(B, window − 1, D)`."""
        hidden, state = self.inner.extend(x, state)
        return self.outer(hidden.relu()).relu(), state


@dataclass(frozen=True)
class WindowedDense(Architecture):
    """A dense network of two layers over the last k steps.

        h_t = relu(U [x_{t−k+1}; …; x_t] + a)
        y_t = relu(W h_t + b)

    Steps before the beginning are zeros. It answers nothing that lies k or more steps back.

    Source: the time-delay network with one delayed layer, Waibel et al. 1989, "Phoneme
    recognition using time-delay neural networks".

    Attributes:
        window: k, in steps.
    """

    cost = Cost(compute="T", path="1", sequential="1")
    window: int = 8

    def __post_init__(self) -> None:
        if self.window < 1:
            raise UserError("window must be at least 1.")

    def build(self, width: int, signature: Signature) -> Mixer:
        """`(k + 1) · D² + 2D` parameters at any length."""
        return WindowedDenseMixer(width, self.window)


register("windowed_dense", WindowedDense())
