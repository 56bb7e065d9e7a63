"""`recall`: one marked symbol among distractors, asked for at the last step."""

from dataclasses import dataclass
from string import ascii_lowercase
from typing import Literal

import torch
from torch import Tensor

from lagbench.contract import (
    Alignment,
    Batch,
    DisplayNames,
    Signature,
    Split,
    Task,
    Tokens,
    UserError,
)
from lagbench.material import lengths
from lagbench.registry import register


@dataclass(frozen=True)
class Recall(Task):
    """Name the one marked symbol when the question comes.

        c f *a b h c e ?  ->  a

    With `S` symbols, the distractors are tokens `0 … S - 1`, the marked cue is one of `S … 2S - 1`,
    and the question, always last, is `2S`. The length is the number of tokens, the question
    included. The lag is the distance from the cue to the question, uniform over `1 … T - 1`; with
    `cue=first` always `T - 1`. All symbols are as likely, so chance is `1 / S`.

    Source: the delayed recall of Hochreiter and Schmidhuber 1997, "Long Short-Term Memory", Neural
    Computation 9(8), with the cue anywhere, so that one run gives the accuracy at every lag.

    symbols: how many there are, at least 2.
    cue: at any step before the question alike, or at the first.
    """

    symbols: int = 8
    cue: Literal["uniform", "first"] = "uniform"

    def __post_init__(self) -> None:
        if self.symbols < 2:
            raise UserError(f"recall needs at least 2 symbols, not {self.symbols}.")

    def signature(self, length: int) -> Signature:
        """Symbols, marked symbols and a question -> one symbol."""
        lengths.require("recall", length, 2)
        return Signature(
            Tokens(2 * self.symbols + 1), Tokens(self.symbols), Alignment.POOLED, length
        )

    def sample(self, length: int, count: int, generator: torch.Generator, split: Split) -> Batch:
        """Draw symbols everywhere, then mark one of them; see the class."""
        self.signature(length)
        source = torch.randint(self.symbols, (count, length), generator=generator)
        source[:, -1] = 2 * self.symbols
        place = torch.zeros(count, 1, dtype=torch.int64)
        if self.cue == "uniform":
            place = torch.randint(length - 1, (count, 1), generator=generator)
        target = source.gather(1, place)
        source.scatter_(1, place, target + self.symbols)
        return Batch(source, target, lag=length - 1 - place)

    def chance(self, length: int) -> float:
        """Every symbol is the cue equally often."""
        return 1 / self.symbols

    def oracle(self, length: int, source: Tensor, source_mask: Tensor | None) -> Tensor:
        """Find the marked symbol and take its mark away."""
        marked = (source >= self.symbols) & (source < 2 * self.symbols)
        return (source - self.symbols).mul(marked).sum(1, keepdim=True)

    def display_names(self, length: int) -> DisplayNames:
        """Letters, as in the example; numbers where there are too many."""
        letters = ascii_lowercase[: self.symbols]
        if len(letters) < self.symbols:
            return DisplayNames()
        return DisplayNames([*letters, *(f"*{letter}" for letter in letters), "?"], letters)


register("recall", Recall())
