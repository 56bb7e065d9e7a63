"""`extraction`: the year in a sentence, wherever it stands."""

from dataclasses import dataclass

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
from lagbench.material.language import DETERMINER, Lexicon, fill

YEARS = tuple(str(year) for year in range(2000, 2032))
LEXICON = Lexicon(
    (
        ("often", "gladly", "alone", "quietly"),
        ("to", "with", "from", "near"),
        ("the",),
        ("sea", "people", "city", "friends", "birds", "houses", "lake", "trains"),
    ),
    number=YEARS,
    subject=("I",),
    verb=("went",),
    time=("in",),
    stop=(".",),
)
WORDS = LEXICON.words
_SUBJECT = torch.tensor([LEXICON.category("subject"), LEXICON.category("verb")])
_YEAR = torch.tensor([LEXICON.category("time"), LEXICON.category("number")])


@dataclass(frozen=True)
class Extraction(Task):
    """Give the year in which it happened.

    Data:
        in 2020 I went to the city with 2011 people .  ->  2020
        I went often near the sea in 2009 .            ->  2009
    Length: words, the full stop included; at least 5.
    Lag: from the full stop to the year, which is first, or anywhere after "I went", uniformly.
    Chance: 1/32; all years are equally likely.
    Source: Goodfellow, Bengio and Courville (2016), Deep Learning, chapter 10: "I went to Nepal in
        2009" and "In 2009, I went to Nepal", the case for sharing parameters over time.

    Attributes:
        distractors: the probability that another noun has a number of the same range before it
            ("with 2011 people"), so that only "in" marks the year; 0: no other number.
    """

    distractors: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.distractors <= 1:
            raise UserError(
                f"extraction needs a probability as distractors, not {self.distractors}."
            )

    def signature(self, length: int) -> Signature:
        lengths.require("extraction", length, 5)
        return Signature(Tokens(len(WORDS)), Tokens(len(YEARS)), Alignment.POOLED, length)

    def sample(self, length: int, count: int, generator: torch.Generator, split: Split) -> Batch:
        self.signature(length)
        drawn = torch.randint(length - 3, (count, 1), generator=generator)
        first = drawn == 0
        year = torch.where(first, 0, drawn + 1)  # 0, or 2 … T - 3
        subject = torch.where(first, 2, 0)
        kinds = fill(length, torch.cat([year, subject], dim=1).sort(1).values, [2, 2])
        numbered = torch.rand(count, length, generator=generator) < self.distractors
        kinds.masked_fill_(numbered & (kinds == DETERMINER), LEXICON.category("number"))
        step = torch.arange(2)
        kinds.scatter_(1, subject + step, _SUBJECT.expand(count, 2))
        kinds.scatter_(1, year + step, _YEAR.expand(count, 2))
        kinds[:, -1] = LEXICON.category("stop")
        source = LEXICON.draw(kinds, generator)
        target = source.gather(1, year + 1) - LEXICON.first("number")
        return Batch(source, target, lag=length - 2 - year)

    def chance(self, length: int) -> float:
        return 1 / len(YEARS)

    def oracle(self, length: int, source: Tensor, source_mask: Tensor | None) -> Tensor:
        """Read the word after "in"."""
        time = (source == LEXICON.word("in")).int().argmax(1, keepdim=True)
        year = source.gather(1, time + 1) - LEXICON.first("number")
        return year.clamp(0, len(YEARS) - 1)

    def display_names(self, length: int) -> DisplayNames:
        return DisplayNames(WORDS, YEARS)


register("extraction", Extraction())
