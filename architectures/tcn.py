"""The temporal convolutional network: dilated causal convolutions with residual connections."""

from dataclasses import dataclass
from itertools import count

from torch import Tensor, nn

from lagbench import Alignment, Architecture, Cost, Mixer, Signature, State, UserError, register
from lagbench.layers.convolution import CausalConvolution


class ResidualBlock(nn.Module):
    """`relu(x + relu(conv(relu(conv(x)))))`, both convolutions with the same dilation."""

    def __init__(self, width: int, kernel: int, dilation: int) -> None:
        super().__init__()
        self.first = CausalConvolution(width, width, kernel, dilation)
        self.second = CausalConvolution(width, width, kernel, dilation)
        # Torch's default loses two thirds of a signal's variance at each convolution, and what is
        # far back passes several: with kernel 3, the first of 32 symbols was not learnt at all.
        for layer in (self.first, self.second):
            nn.init.kaiming_normal_(layer.convolution.weight, nonlinearity="linear")

    def forward(self, x: Tensor, state: State = None) -> tuple[Tensor, State]:
        """Read further steps `(B, t, D)`; the state is what both convolutions look back on."""
        first, second = (None, None) if state is None else state
        hidden, first = self.first.extend(x, first)
        hidden, second = self.second.extend(hidden.relu(), second)
        return (x + hidden.relu()).relu(), (first, second)


class TCNMixer(Mixer):
    """Residual blocks of dilation 1, 2, 4, …, `2^(levels − 1)`."""

    def __init__(self, width: int, kernel: int, levels: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            ResidualBlock(width, kernel, dilation=2**level) for level in range(levels)
        )

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """`(B, T, D) -> (B, T, D)`; causal, so that padding cannot matter."""
        return self.extend(x)[0]

    def extend(self, x: Tensor, state: State = None) -> tuple[Tensor, State]:
        """The state is a tuple of the blocks' states."""
        states = []
        for block, before in zip(self.blocks, state or [None] * len(self.blocks), strict=True):
            x, after = block(x, before)
            states.append(after)
        return x, tuple(states)


@dataclass(frozen=True)
class TCN(Architecture):
    """A temporal convolutional network.

        h = relu(W *_d x^l)                  (*_d: causal convolution of dilation d = 2^l)
        x^{l+1} = relu(x^l + relu(V *_d h))

    An output sees `1 + 2 (kernel − 1) (2^levels − 1)` steps, its own included. The paper's weight
    normalisation and dropout are left out.

    Source: Bai et al. 2018, "An empirical evaluation of generic convolutional and recurrent
    networks for sequence modeling".

    Attributes:
        kernel: steps that a convolution covers; 8 as in the paper's memory tasks, since few wide
            levels learn what lies far back sooner than many narrow ones.
        levels: residual blocks; None: as many as are needed to see the whole sequence.
    """

    cost = Cost(compute="T log T", path="log T", sequential="log T")
    kernel: int = 8
    levels: int | None = None

    def __post_init__(self) -> None:
        if self.kernel < 2 or (self.levels is not None and self.levels < 1):
            raise UserError("kernel must be at least 2 and levels at least 1.")

    def receptive_field(self, levels: int) -> int:
        """How many steps an output depends on, its own included."""
        return 1 + 2 * (self.kernel - 1) * ((1 << levels) - 1)

    def build(self, width: int, signature: Signature) -> Mixer:
        """`levels · 2 (kernel · D² + D)` parameters; `levels` grows with the log of the length."""
        free = signature.alignment is Alignment.FREE  # then it reads source, start and targets
        steps = signature.steps + signature.target_steps if free else signature.steps
        enough = next(levels for levels in count(1) if self.receptive_field(levels) >= steps)
        return TCNMixer(width, self.kernel, self.levels or enough)


register("tcn", TCN())
