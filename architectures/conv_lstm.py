"""The convolutional LSTM: a cell whose state is an image."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lagbench import Architecture, Cost, Frames, Mixer, Signature, State, UserError, register


class ConvLSTMMixer(Mixer):
    """Frames `(B, T, C, H, W)` -> one ConvLSTM of F channels -> `(B, T, D)`.

    `X_t` and `H_{t−1}` are convolved side by side, in one product: under `vmap` that is a grouped
    convolution, and was measured to be faster than a convolution of all `X` ahead of the loop.
    """

    def __init__(self, width: int, frames: Frames, kernel: int, peephole: bool) -> None:
        super().__init__()
        self.shape = (-(-width // 4), frames.height, frames.width)  # of H and C: F = ⌈D / 4⌉
        channels = self.shape[0]
        self.gates = nn.Conv2d(
            frames.channels + channels, 4 * channels, kernel, padding=kernel // 2
        )
        assert self.gates.bias is not None
        nn.init.ones_(self.gates.bias[channels : 2 * channels])  # remember, to begin with
        self.peephole = nn.Parameter(torch.zeros(3, *self.shape)) if peephole else None
        self.outer = nn.Linear(channels * frames.height * frames.width, width)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """`(B, T, C, H, W) -> (B, T, D)`; causal, so that padding cannot matter."""
        return self.extend(x)[0]

    def extend(self, x: Tensor, state: State = None) -> tuple[Tensor, State]:
        """The state is `H` and `C`, each `(B, F, H, W)`."""
        hidden, cell = (x.new_zeros(x.shape[0], *self.shape),) * 2 if state is None else state
        outputs = []
        for frame in x.unbind(1):
            hidden, cell = self.step(frame, hidden, cell)
            outputs.append(hidden.flatten(1))
        return self.outer(torch.stack(outputs, dim=1)), (hidden, cell)

    def step(self, frame: Tensor, hidden: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
        """One step of the cell: `X_t, H_{t−1}, C_{t−1} -> H_t, C_t`."""
        i, f, g, o = self.gates(torch.cat([frame, hidden], dim=1)).chunk(4, dim=1)
        if self.peephole is not None:
            i = i + self.peephole[0] * cell
            f = f + self.peephole[1] * cell
        cell = f.sigmoid() * cell + i.sigmoid() * g.tanh()
        if self.peephole is not None:
            o = o + self.peephole[2] * cell
        return o.sigmoid() * cell.tanh(), cell


@dataclass(frozen=True)
class ConvLSTM(Architecture):
    """An LSTM whose matrix products are convolutions, so that its state stays an image.

        i_t = σ(W_xi * X_t + W_hi * H_{t−1} + W_ci ∘ C_{t−1} + b_i)
        f_t = σ(W_xf * X_t + W_hf * H_{t−1} + W_cf ∘ C_{t−1} + b_f)
        C_t = f_t ∘ C_{t−1} + i_t ∘ tanh(W_xc * X_t + W_hc * H_{t−1} + b_c)
        o_t = σ(W_xo * X_t + W_ho * H_{t−1} + W_co ∘ C_t + b_o)
        H_t = o_t ∘ tanh(C_t)
        y_t = W_y vec(H_t) + b_y

    `*` is a convolution with zeros around the frame, `∘` the elementwise product. The dense
    output, which keeps where things are, is ours; the terms in ∘ C are an option, as in `lstm`.

    Source: Shi et al. 2015, "Convolutional LSTM network: a machine learning approach for
    precipitation nowcasting".

    Attributes:
        kernel: side of the convolutions, odd.
        peephole: whether the gates see the cell.
    """

    cost = Cost(compute="T", path="T", sequential="T")
    input_spaces = (Frames,)
    kernel: int = 3
    peephole: bool = False

    def __post_init__(self) -> None:
        if self.kernel < 1 or self.kernel % 2 == 0:
            raise UserError("kernel must be odd, so that the state keeps its size.")

    def build(self, width: int, signature: Signature) -> Mixer:
        """`F = ⌈D / 4⌉` channels: `4F (k² (C + F) + 1)` parameters, and `D (F·H·W + 1)` behind."""
        assert isinstance(signature.source, Frames)  # `reads` says so
        return ConvLSTMMixer(width, signature.source, self.kernel, self.peephole)


register("conv_lstm", ConvLSTM())
