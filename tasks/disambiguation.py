"""`disambiguation`: what a word means, which a later word decides."""

from dataclasses import dataclass
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

FILLERS = ("he", "said", "that", "they", "really", "often", "saw", "liked")
NAMES = ("Teddy", "Paris", "Austin", "Florence")
CUES = ("bears", "Roosevelt", "museums", "Hilton", "Texas", "Powers", "frescoes", "Nightingale")
WORDS = (*FILLERS, *NAMES, *CUES)
ANSWERS = ("thing", "person")

_FIRST_CUE = len(FILLERS) + len(NAMES)
_CUE = torch.arange(_FIRST_CUE, len(WORDS)).view(len(NAMES), 2)  # of each name, thing and person
_CHOICES = 24  # a multiple of how many words are in each row, so that each is drawn as often
_ANY, _PLAIN = len(NAMES), len(NAMES) + 1
_ROWS = torch.stack(
    [
        row.repeat(_CHOICES // len(row))
        for row in (
            *(torch.cat([_CUE[:name], _CUE[name + 1 :]]).flatten() for name in range(len(NAMES))),
            _CUE.flatten(),
            torch.arange(len(FILLERS)),
        )
    ]
)  # fmt: skip  (the cues of all other names, for each name; all cues; all fillers)


@dataclass(frozen=True)
class Disambiguation(Task):
    """Tag the ambiguous name in a sentence as a thing or a person, by a cue that comes later.

    Data:
        he said Teddy really liked Roosevelt  ->  _ _ person _ _ _
        he said Teddy really liked bears      ->  _ _ thing  _ _ _
        Only the name is scored. The other words are fillers, and cues as decoys: of any name before
        the name, and of other names after it. So decoys carry no information.
    Length: words; at least 2.
    Lag: none; the cue comes `k` steps after the step that answers. All pairs of steps are equally
        likely; with `cue=last`, `k = T - 1`.
    Chance: 1/2, which no causal model exceeds, since the words up to the name are independent of
        the cue.
    Source: the example of Ng (2018), Sequence Models, for the bidirectional networks of Schuster
        and Paliwal (1997), IEEE Transactions on Signal Processing 45(11).

    Attributes:
        decoys: the probability that a word other than the name and its cue is a decoy.
        cue: "anywhere": name and cue at any two steps; "last": at the first and the last step.
    """

    decoys: float = 0.25
    cue: Literal["anywhere", "last"] = "anywhere"

    def __post_init__(self) -> None:
        if not 0 <= self.decoys <= 1:
            raise UserError(f"disambiguation needs a probability as decoys, not {self.decoys}.")

    def signature(self, length: int) -> Signature:
        lengths.require("disambiguation", length, 2)
        words, answers = Tokens(len(WORDS)), Tokens(len(ANSWERS))
        return Signature(words, answers, Alignment.ALIGNED, length, length)

    def sample(self, length: int, count: int, generator: torch.Generator, split: Split) -> Batch:
        self.signature(length)
        name = torch.randint(len(NAMES), (count, 1), generator=generator)
        sense = torch.randint(2, (count, 1), generator=generator)
        asked, decided = self._places(length, count, generator)
        decoy = torch.rand(count, length, generator=generator) < self.decoys
        rows = torch.where(torch.arange(length) > asked, name, _ANY)
        rows = torch.where(decoy, rows, _PLAIN)
        choices = torch.randint(_CHOICES, (count, length), generator=generator)
        source = _ROWS.take(choices + _CHOICES * rows)
        source.scatter_(1, asked, len(FILLERS) + name)
        source.scatter_(1, decided, _FIRST_CUE + 2 * name + sense)
        target = torch.zeros_like(source).scatter_(1, asked, sense)
        return Batch(source, target, target_mask=torch.arange(length) == asked)

    def chance(self, length: int) -> float:
        return 1 / 2

    def oracle(self, length: int, source: Tensor, source_mask: Tensor | None) -> Tensor:
        """Find the name, and the first cue of it that follows."""
        named = (source >= len(FILLERS)) & (source < _FIRST_CUE)
        position = named.int().argmax(dim=1, keepdim=True)
        name = source.gather(1, position) - len(FILLERS)
        cue = source - _FIRST_CUE - 2 * name
        decides = (torch.arange(length) > position) & (cue >= 0) & (cue < 2)
        return cue.gather(1, decides.int().argmax(dim=1, keepdim=True)).expand_as(source)

    def display_names(self, length: int) -> DisplayNames:
        return DisplayNames(WORDS, ANSWERS)

    def _places(self, length: int, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Where the name and where its cue stand, each `(B, 1)`."""
        if self.cue == "last":
            return torch.zeros(count, 1, dtype=torch.int64), torch.full((count, 1), length - 1)
        first = torch.randint(length, (count, 1), generator=generator)
        second = torch.randint(length - 1, (count, 1), generator=generator)
        second += second >= first
        return torch.minimum(first, second), torch.maximum(first, second)


register("disambiguation", Disambiguation())
