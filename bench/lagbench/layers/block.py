"""Pre-norm residual blocks, shared by the architectures whose papers stack them."""

from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import ClassVar, cast

from torch import Tensor, nn

from lagbench.contract import Architecture, Mixer, Signature, State, UserError
from lagbench.kernels.mlp import mlp


class FeedForward(nn.Module):
    """`x + fc2(gelu(fc1(norm(x))))` at every step by itself: `(…, D) -> (…, D)`."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        norm, fc1, fc2 = self.norm, self.fc1, self.fc2
        return mlp(x, norm.weight, norm.bias, fc1.weight, fc1.bias, fc2.weight, fc2.bias)


class Block(Mixer):
    """`x + mixer(norm(x))`, then `x + MLP(norm(x))` (Xiong et al. 2020, arXiv:2002.04745).

    mixer: any core `(B, T, D) -> (B, T, D)`; its `extend` and its state pass through.
    expansion: hidden width of the MLP as a multiple of `D`;
        0: no MLP, for mixers that bring their own.
    """

    def __init__(self, width: int, mixer: Mixer, expansion: int = 4) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.mixer = mixer
        self.feedforward = FeedForward(width, expansion * width) if expansion else None

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """`(B, T, D)` -> `(B, T, D)`; the mask goes to the mixer."""
        return self._rest(x + self.mixer(self.norm(x), mask))

    def extend(self, x: Tensor, state: State = None) -> tuple[Tensor, State]:
        """Further steps; the state is the mixer's."""
        mixed, state = self.mixer.extend(self.norm(x), state)
        return self._rest(x + mixed), state

    def _rest(self, x: Tensor) -> Tensor:
        return x if self.feedforward is None else cast(Tensor, self.feedforward(x))


class Blocks(Mixer):
    """Blocks one after another, and the last norm that pre-norm residuals need."""

    def __init__(self, width: int, blocks: Iterable[Mixer]) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """`(B, T, D)` -> `(B, T, D)`; the mask goes to every mixer."""
        for block in self.blocks:
            x = block(x, mask)
        return cast(Tensor, self.norm(x))

    def extend(self, x: Tensor, state: State = None) -> tuple[Tensor, State]:
        """Further steps; the state is a tuple of the blocks' states."""
        states = []
        before = [None] * len(self.blocks) if state is None else state
        for block, block_state in zip(cast(Iterable[Mixer], self.blocks), before, strict=True):
            x, after = block.extend(x, block_state)
            states.append(after)
        return self.norm(x), tuple(states)


@dataclass(frozen=True)
class Residual(Architecture):
    """An architecture of `layers` blocks, whose subclasses say what mixes the steps in each."""

    mlp_expansion: ClassVar[int] = 4
    """The hidden width of the blocks' MLP as a multiple of `D`; see `Block`."""

    layers: int = 2

    def __post_init__(self) -> None:
        """Whole numbers count something, so that none may be below 1."""
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, int) and value < 1:
                raise UserError(f"{field.name} must be at least 1, not {value}.")

    @abstractmethod
    def mixer(self, width: int) -> Mixer:
        """Make what mixes the steps in one block."""

    def build(self, width: int, signature: Signature) -> Mixer:
        """Blocks around a mixer each."""
        blocks = (Block(width, self.mixer(width), self.mlp_expansion) for _ in range(self.layers))
        return Blocks(width, blocks)


@dataclass(frozen=True)
class MultiHead(Residual):
    """A residual architecture whose mixers divide the width among `heads`."""

    heads: int = 2

    @property
    def width_multiple(self) -> int:
        """Heads are of one size."""
        return self.heads
