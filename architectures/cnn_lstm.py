"""A convolutional network that looks at each frame, and an LSTM over what it saw."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lagbench import Architecture, Cost, Frames, Mixer, Signature, State, UserError, register
from lagbench.kernels.lstm import lstm_scan


class CNNLSTMMixer(Mixer):
    """Frames `(B, T, C, H, W)` -> features of each frame by itself -> LSTM -> `(B, T, D)`."""

    def __init__(self, width: int, frames: Frames, layers: int) -> None:
        super().__init__()
        channels = -(-width // 4)
        self.width = width
        self.look = nn.Sequential()
        for layer in range(layers):
            inputs = channels if layer else frames.channels
            self.look.append(nn.Conv2d(inputs, channels, kernel_size=3, stride=2, padding=1))
            self.look.append(nn.ReLU())
        height, breadth = (-(-side // 2**layers) for side in (frames.height, frames.width))
        self.project = nn.Linear(channels * height * breadth, 4 * width)
        self.recur = nn.Parameter(torch.empty(4 * width, width))
        nn.init.uniform_(self.recur, -(width**-0.5), width**-0.5)
        nn.init.ones_(self.project.bias[width : 2 * width])  # remember, to begin with

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """`(B, T, C, H, W) -> (B, T, D)`; causal, so that padding cannot matter."""
        return self.extend(x)[0]

    def extend(self, x: Tensor, state: State = None) -> tuple[Tensor, State]:
        """The state is `h` and `c`, each `(B, D)`."""
        B, T = x.shape[:2]
        h, c = (x.new_zeros(B, self.width),) * 2 if state is None else state
        features = self.look(x.flatten(0, 1)).reshape(B, T, -1)
        outputs, c = lstm_scan(self.project(features), self.recur, h, c)
        return outputs, (outputs[:, -1], c)


@dataclass(frozen=True)
class CNNLSTM(Architecture):
    """Convolutional features of each frame, flattened, then an LSTM over time.

        v_t = vec(CNN(X_t))                          (the same for every t)
        i, f, g, o = W v_t + U h_{t−1} + b
        c_t = σ(f) ∘ c_{t−1} + σ(i) ∘ tanh(g)
        h_t = σ(o) ∘ tanh(c_t)

    Each convolution is 3 × 3, halves the sides of its image and is followed by a relu. Space is
    over before time begins: what `conv_lstm` keeps as an image is a vector here.

    Source: Donahue et al. 2015, "Long-term recurrent convolutional networks for visual
    recognition and description".

    Attributes:
        layers: convolutions above one another.
    """

    cost = Cost(compute="T", path="T", sequential="T")
    input_spaces = (Frames,)
    layers: int = 2

    def __post_init__(self) -> None:
        if self.layers < 1:
            raise UserError("layers must be at least 1.")

    def build(self, width: int, signature: Signature) -> Mixer:
        """`⌈D / 4⌉` channels in each convolution, `D` units in the LSTM."""
        assert isinstance(signature.source, Frames)  # `reads` says so
        return CNNLSTMMixer(width, signature.source, self.layers)


register("cnn_lstm", CNNLSTM())
