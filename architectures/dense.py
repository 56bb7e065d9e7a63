"""A dense network over the whole sequence: weights of its own for every position."""

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional

from lagbench import Alignment, Architecture, Cost, Mixer, Signature, UserError, register


class DenseMixer(Mixer):
    """Two dense layers over `longest` steps side by side; `outputs` is 1 or `longest`."""

    def __init__(self, width: int, longest: int, outputs: int) -> None:
        super().__init__()
        self.longest = longest
        self.inner = nn.Linear(longest * width, width)
        self.outer = nn.Linear(width, outputs * width)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """`(B, T, D) -> (B, T, D)`; `UserError` where T is more than `longest`."""
        _, T, D = x.shape
        if self.longest < T:
            raise UserError(f"This dense network reads {self.longest} steps at most, not {T}.")
        if mask is not None:
            x = x.masked_fill(~mask.unsqueeze(2), 0)
        x = functional.pad(x, (0, 0, 0, self.longest - T))
        y: Tensor = self.outer(self.inner(x.flatten(1)).relu()).relu()
        return y.reshape(len(x), -1, D).expand(-1, self.longest, -1)[:, :T]


@dataclass(frozen=True)
class Dense(Architecture):
    """A dense network of two layers over the whole sequence at once.

        h = relu(U [x_1; …; x_T] + a)
        y_t = relu(W_t h + b_t)           (one y for all t where the task asks for one answer)

    Nothing is shared across positions: what it learns at one it does not know at another, it has
    parameters for every step, and reads no sequence longer than the one it was built for. Steps
    after the end are zeros.

    Source: the multilayer perceptron, Rumelhart et al. 1986, "Learning representations by
    back-propagating errors".
    """

    cost = Cost(compute="T", path="1", sequential="1")

    @property
    def causal(self) -> bool:
        """False: every output sees every step."""
        return False

    def build(self, width: int, signature: Signature) -> Mixer:
        """`T · D²` weights in, and `D²` (`POOLED`) or `T · D²` out; T is `signature.steps`."""
        outputs = 1 if signature.alignment is Alignment.POOLED else signature.steps
        return DenseMixer(width, signature.steps, outputs)


register("dense", Dense())
