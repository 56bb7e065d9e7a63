"""`recall`: one marked symbol among distractors, asked for at the last step."""

from dataclasses import dataclass
from string import ascii_lowercase
from typing import Literal

import torch
from torch import Tensor

from lagbench import (
    Alignment,
    Batch,
    DisplayNames,
    Signature,
    Split,
    Task,
    Tokens,
    UserError,
    register,
)
from lagbench.material import lengths


@dataclass(frozen=True)
class Recall(Task):
    """Name the marked symbol at the end.

    Data:
        c f *a b h c e ?  ->  a
        With `S` symbols, distractors are `0 … S - 1`, the marked cue is one of `S … 2S - 1`, and
        the question, always last, is `2S`.
    Length: tokens, the question included; at least 2.
    Lag: from the question to the cue, uniform over `1 … T - 1`; with `cue=first` always `T - 1`.
    Chance: `1 / symbols`.
    Source: the delayed recall of Hochreiter and Schmidhuber (1997), Long Short-Term Memory, Neural
        Computation 9(8), with the cue anywhere, so that one run gives the accuracy at every lag.

    Attributes:
        symbols: the number of symbols; at least 2.
        cue: "uniform": at any step before the question; "first": at the first step.
    """

    symbols: int = 8
    cue: Literal["uniform", "first"] = "uniform"

    def __post_init__(self) -> None:
        if self.symbols < 2:
            raise UserError(f"recall needs at least 2 symbols, not {self.symbols}.")

    def signature(self, length: int) -> Signature:
        lengths.require("recall", length, 2)
        return Signature(
            Tokens(2 * self.symbols + 1), Tokens(self.symbols), Alignment.POOLED, length
        )

    def sample(self, length: int, count: int, generator: torch.Generator, split: Split) -> Batch:
        self.signature(length)
        source = torch.randint(self.symbols, (count, length), generator=generator)
        source[:, -1] = 2 * self.symbols
        position = torch.zeros(count, 1, dtype=torch.int64)
        if self.cue == "uniform":
            position = torch.randint(length - 1, (count, 1), generator=generator)
        target = source.gather(1, position)
        source.scatter_(1, position, target + self.symbols)
        return Batch(source, target, lag=length - 1 - position)

    def chance(self, length: int) -> float:
        return 1 / self.symbols

    def oracle(self, length: int, source: Tensor, source_mask: Tensor | None) -> Tensor:
        """Find the marked symbol and take its mark away."""
        marked = (source >= self.symbols) & (source < 2 * self.symbols)
        return (source - self.symbols).mul(marked).sum(1, keepdim=True)

    def display_names(self, length: int) -> DisplayNames:
        letters = ascii_lowercase[: self.symbols]
        if len(letters) < self.symbols:
            return DisplayNames()
        return DisplayNames([*letters, *(f"*{letter}" for letter in letters), "?"], letters)


register("recall", Recall())
