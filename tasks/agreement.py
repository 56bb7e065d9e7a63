"""`agreement`: was or were, after a clause that keeps verb and subject apart."""

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
from lagbench.material.language import NOUN, Lexicon, fill

_ANIMALS = ("cat", "dog", "bird", "horse", "duck", "goat", "frog", "snake")
LEXICON = Lexicon(
    (
        ("often", "again", "today", "here", "gladly", "quietly"),
        ("near", "behind", "with", "under", "beside", "before"),
        ("the",),
        _ANIMALS,
    ),
    plural=tuple(f"{animal}s" for animal in _ANIMALS),  # the category after the singular nouns
    verb=("slept", "waited", "ran", "sang", "ate", "played"),  # the past has no number
    comma=(",",),
    relative=("which",),
)
WORDS = LEXICON.words
ANSWERS = ("was", "were")
_CLAUSE = torch.tensor([
    LEXICON.category(name) for name in ("determiner", "noun", "comma", "relative", "verb")
])  # fmt: skip


@dataclass(frozen=True)
class Agreement(Task):
    """Choose "was" or "were" for the subject that a relative clause follows.

    Data:
        often near the dogs the cat , which slept here beside the frogs ,  ->  was
        the cats , which already ate with the dog before the bird ,        ->  were
    Length: words and commas; at least 6.
    Lag: from the closing comma to the subject, uniform over `4 … T - 2`; with `subject=first`
        always `T - 2`.
    Chance: 1/2; singular and plural are equally likely.
    Source: Linzen, Dupoux and Goldberg (2016), Assessing the Ability of LSTMs to Learn
        Syntax-Sensitive Dependencies (arXiv:1611.01368), on generated sentences.

    Attributes:
        subject: "anywhere": after filler of any length; "first": at the beginning.
        attractors: the probability that another noun has the other number; at 0.5 these nouns carry
            no information, at 0 and 1 they determine the answer.
    """

    subject: Literal["anywhere", "first"] = "anywhere"
    attractors: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.attractors <= 1:
            raise UserError(f"agreement needs a probability as attractors, not {self.attractors}.")

    def signature(self, length: int) -> Signature:
        lengths.require("agreement", length, 6)
        return Signature(Tokens(len(WORDS)), Tokens(len(ANSWERS)), Alignment.POOLED, length)

    def sample(self, length: int, count: int, generator: torch.Generator, split: Split) -> Batch:
        self.signature(length)
        start = torch.zeros(count, 1, dtype=torch.int64)
        if self.subject == "anywhere":
            start = torch.randint(length - len(_CLAUSE), (count, 1), generator=generator)
        kinds = fill(length, start, [len(_CLAUSE)])
        kinds.scatter_(1, start + torch.arange(len(_CLAUSE)), _CLAUSE.expand(count, -1))
        kinds[:, -1] = LEXICON.category("comma")
        number = torch.randint(2, (count, 1), generator=generator)
        other = torch.rand(count, length, generator=generator) < self.attractors
        plural = number.bool() ^ other.scatter_(1, start + 1, False)
        kinds += (kinds == NOUN) & plural
        return Batch(LEXICON.draw(kinds, generator), number, lag=length - 2 - start)

    def chance(self, length: int) -> float:
        return 0.5

    def oracle(self, length: int, source: Tensor, source_mask: Tensor | None) -> Tensor:
        """Find "which"; the noun stands two words before it."""
        which = (source == LEXICON.word("which")).int().argmax(1, keepdim=True)
        noun = source.gather(1, (which - 2).clamp(min=0))
        return (noun >= LEXICON.first("plural")).long()

    def display_names(self, length: int) -> DisplayNames:
        return DisplayNames(WORDS, ANSWERS)


register("agreement", Agreement())
