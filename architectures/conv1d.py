"""A stack of convolutions over time, centred on their step."""

from dataclasses import dataclass

from torch import Tensor, nn

from lagbench import Architecture, Cost, Mixer, Pool, Signature, UserError, register


class Conv1dMixer(Mixer):
    """`layers` convolutions with zeros on both sides, each followed by a relu."""

    def __init__(self, width: int, kernel: int, layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Conv1d(width, width, kernel, padding=kernel // 2) for _ in range(layers)
        )

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """`(B, T, D) -> (B, T, D)`; padding is zero to every layer, like what is past the end."""
        x = x.transpose(1, 2)
        for layer in self.layers:
            if mask is not None:
                x = x.masked_fill(~mask.unsqueeze(1), 0)
            x = layer(x).relu()
        return x.transpose(1, 2)


@dataclass(frozen=True)
class Conv1d(Architecture):
    """Convolutions over time, centred, whose outputs are averaged where one answer is asked for.

        x_t^{l+1} = relu(b^l + Σ_{|i| ≤ k/2} W_i^l x_{t+i}^l)

    An output sees `layers · (kernel − 1) / 2` steps to either side; beyond that, the mean is a
    bag of local patterns. Not causal (`tcn` is).

    Source: Kim 2014, "Convolutional neural networks for sentence classification".

    Attributes:
        kernel: steps that a convolution covers, odd.
        layers: convolutions above one another.
    """

    cost = Cost(compute="T", path="1", sequential="1")
    pool = Pool.MEAN
    kernel: int = 5
    layers: int = 2

    def __post_init__(self) -> None:
        if self.kernel < 1 or self.kernel % 2 == 0:
            raise UserError("kernel must be odd: a centred convolution has a middle.")
        if self.layers < 1:
            raise UserError("layers must be at least 1.")

    @property
    def causal(self) -> bool:
        """False: a convolution sees as far ahead as back."""
        return False

    def build(self, width: int, signature: Signature) -> Mixer:
        """`layers · (kernel · D² + D)` parameters at any length."""
        return Conv1dMixer(width, self.kernel, self.layers)


register("conv1d", Conv1d())
