"""The base class of `copy`, `reverse` and `sort`: repeat a random string in another order."""

from abc import abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from lagbench.contract import Alignment, Batch, Signature, Split, Task, Tokens, UserError
from lagbench.material import lengths


@dataclass(frozen=True)
class Rewriting(Task):
    """Uniform random symbols in, the same symbols out in an order that a subclass defines.

    Attributes:
        alphabet: how many symbols there are; at least 2.
        shortest: the shortest string as a share of the longest. Below 1, the strings of a batch
            differ in length, uniformly, and an `end` symbol, number `alphabet`, closes each target.
    """

    alphabet: int = 8
    shortest: float = 1.0

    def __post_init__(self) -> None:
        if self.alphabet < 2:
            raise UserError(f"{self.title} needs at least 2 symbols, not {self.alphabet}.")
        lengths.require_share(self.title, self.shortest)

    @property
    def title(self) -> str:
        """The task's name in messages."""
        return type(self).__name__.lower()

    @property
    def varied(self) -> bool:
        """Whether the strings of a batch differ in length."""
        return self.shortest < 1

    @abstractmethod
    def order(self, source: Tensor, steps: Tensor) -> Tensor:
        """Return the source step `(B, T)` that each target step repeats, up to `steps` `(B,)`.

        Later steps may hold any valid index.
        """

    def frequencies(self, steps: int) -> Tensor:
        """`(steps, alphabet)` float64: how likely each symbol is at each target step."""
        return torch.full((steps, self.alphabet), 1 / self.alphabet, dtype=torch.float64)

    def signature(self, length: int) -> Signature:
        lengths.require(self.title, length, 1)
        target = Tokens(self.alphabet + 1, self.alphabet) if self.varied else Tokens(self.alphabet)
        return Signature(
            Tokens(self.alphabet),
            target,
            Alignment.FREE,
            steps=length,
            target_steps=length + self.varied,
            padded=lengths.minimum(length, self.shortest) < length,
        )

    def sample(self, length: int, count: int, generator: torch.Generator, split: Split) -> Batch:
        self.signature(length)
        source = torch.randint(self.alphabet, (count, length), generator=generator)
        if not self.varied:
            steps = torch.full((count,), length)
            order = self.order(source, steps)
            return Batch(source, source.gather(1, order), lag=length + torch.arange(length) - order)
        steps = lengths.draw(length, self.shortest, count, generator)
        real = lengths.mask(steps, length)
        source *= real
        order = self.order(source, steps)
        lag = (steps[:, None] + torch.arange(length) - order).masked_fill(~real, -1)
        lag = torch.cat([lag, lag.new_full((count, 1), -1)], dim=1)
        target_mask = lengths.mask(steps + 1, length + 1)
        return Batch(source, self._append_end(source, order, steps), real, target_mask, lag)

    def chance(self, length: int) -> float:
        least = lengths.minimum(length, self.shortest)
        guesses = torch.zeros(length + self.varied, self.alphabet + 1, dtype=torch.float64)
        for steps in range(least, length + 1):
            guesses[:steps, : self.alphabet] += self.frequencies(steps)
            if self.varied:
                guesses[steps, self.alphabet] += 1
        return float(guesses.amax(1).sum() / guesses.sum())

    def oracle(self, length: int, source: Tensor, source_mask: Tensor | None) -> Tensor:
        steps = lengths.real_steps(source, source_mask)
        order = self.order(source, steps)
        return self._append_end(source, order, steps) if self.varied else source.gather(1, order)

    def _append_end(self, source: Tensor, order: Tensor, steps: Tensor) -> Tensor:
        """`(B, T + 1)` targets with `end` after the last symbol and zeros after `end`."""
        target = torch.nn.functional.pad(source.gather(1, order), (0, 1))
        target *= lengths.mask(steps, target.shape[1])
        return target.scatter(1, steps[:, None], self.alphabet)
