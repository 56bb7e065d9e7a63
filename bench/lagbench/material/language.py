"""Words by category, and plain English filler around informative phrases.

Filler is made of prepositional phrases of three words, "near the station", led by adverbs where the
number of words to fill is no multiple of three: "often near the station".
"""

from collections.abc import Sequence
from math import lcm

import torch
from torch import Tensor

FILLER = ("adverb", "preposition", "determiner", "noun")  # the first categories of every lexicon
ADVERB, PREPOSITION, DETERMINER, NOUN = range(4)


class Lexicon:
    """Words by category; words and categories are numbered in order."""

    def __init__(self, filler: Sequence[Sequence[str]], **others: Sequence[str]) -> None:
        """filler: words for the four categories of `FILLER`; others: further categories."""
        self.categories = {**dict(zip(FILLER, filler, strict=True)), **others}
        self.words = tuple(word for words in self.categories.values() for word in words)
        # One row a category, in which each of its words stands equally often: a word is drawn by
        # one look-up in the row, with the same range of random numbers for every category.
        self._choices = lcm(*(len(words) for words in self.categories.values()))
        rows = [
            torch.arange(self._choices) % len(words) + self.first(name)
            for name, words in self.categories.items()
        ]
        self._table = torch.cat(rows)

    def category(self, name: str) -> int:
        """Return the number of a category."""
        return list(self.categories).index(name)

    def first(self, name: str) -> int:
        """Return the number of the first word of a category."""
        return self.word(self.categories[name][0])

    def word(self, word: str) -> int:
        """Return the number of a word."""
        return self.words.index(word)

    def draw(self, categories: Tensor, generator: torch.Generator) -> Tensor:
        """Draw a word for each category of a tensor, uniform within a category."""
        choices = torch.randint(self._choices, categories.shape, generator=generator)
        return self._table.take(choices.add_(categories, alpha=self._choices))


def fill(length: int, starts: Tensor, widths: Sequence[int]) -> Tensor:
    """The categories `(B, length)` of filler around blocks and before a closing last step.

    starts: `(B, blocks)`, where each block starts, in ascending order; widths: how many steps they
    have. What is returned at the steps of a block and at the last step is arbitrary filler.
    """
    step = torch.arange(length)
    phrases = NOUN - (torch.arange(3)[:, None] - 1 - step) % 3  # [end % 3]: a noun before the end
    kinds = phrases[(length - 1) % 3].expand(len(starts), length)
    for start in starts.flip(1).unbind(1):
        kinds = torch.where(step < start[:, None], phrases[start % 3], kinds)
    begins = torch.nn.functional.pad(starts + torch.tensor(widths), (1, 0))
    ends = torch.nn.functional.pad(starts, (0, 1), value=length - 1)
    adverbs = (ends - begins) % 3
    for index in range(2):  # a gap has at most two; elsewhere, what is there is written again
        at = torch.where(adverbs > index, begins + index, length - 1)
        kinds = kinds.scatter(1, at, ADVERB)
    return kinds
