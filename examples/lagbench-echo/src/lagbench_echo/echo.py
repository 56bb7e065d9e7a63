"""Say at every step what was read some steps before."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from lagbench import Alignment, Batch, Signature, Split, Task, Tokens, UserError, register


@dataclass(frozen=True)
class Echo(Task):
    """What was read `delay` steps before? `3 1 4 1 5 -> · · · 3 1` for a delay of 3.

    Length: how many symbols are read; more than the delay. Lag: the delay, of every target.

    Source: this example.

    Attributes:
        delay: steps between a symbol and its echo.
        symbols: how many there are.
    """

    delay: int = 8
    symbols: int = 8

    def __post_init__(self) -> None:
        if self.delay < 1 or self.symbols < 2:
            raise UserError("delay must be at least 1 and symbols at least 2.")

    def signature(self, length: int) -> Signature:
        """A symbol for every symbol; the first `delay` targets do not count."""
        if length <= self.delay:
            raise UserError(f"echo needs a length above its delay of {self.delay}, not {length}.")
        space = Tokens(self.symbols)
        return Signature(space, space, Alignment.ALIGNED, length, length, causal=True)

    def sample(self, length: int, count: int, generator: torch.Generator, split: Split) -> Batch:
        """Uniform symbols."""
        source = torch.randint(self.symbols, (count, length), generator=generator)
        loss_mask = (torch.arange(length) >= self.delay).expand(count, length)
        lag = torch.where(loss_mask, self.delay, -1)
        return Batch(source, self.oracle(length, source, None), target_mask=loss_mask, lag=lag)

    def chance(self, length: int) -> float:
        """All symbols are equally frequent."""
        return 1 / self.symbols

    def oracle(self, length: int, source: Tensor, source_mask: Tensor | None) -> Tensor:
        """Move the source."""
        return F.pad(source, (self.delay, 0))[:, :length]


register("echo", Echo())
