"""`next_token`: a language model's task, over a grammar with long agreement."""

from dataclasses import dataclass
from math import log, log2
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import pad

from lagbench import (
    Alignment,
    Batch,
    DisplayNames,
    Metric,
    Signature,
    Split,
    Tokens,
    UserError,
    register,
)
from lagbench.material import lengths
from lagbench.material.real.builders import TokenKind, require_vocabulary, text_windows
from lagbench.material.real.examples import Examples
from lagbench.material.real.loading import Columns, LoadedDataset, text_column
from lagbench.material.real.task import RealOrSyntheticTask


@dataclass(frozen=True)
class NextToken(RealOrSyntheticTask):
    """Predict every next word of a text, in bits.

    Data:
        N0 m1 N2 m0 V0 N1 V1 N2 m1  ->  m1 N2 m0 V0 N1 V1 N2 m1 m0
        With 3 nouns and 2 modifiers. A clause is a subject, any number of modifiers, and the verb
        that agrees with the subject. A modifier is an attractor, which is a noun too, or a plain
        word.
    Length: words; at least 1. Clauses grow with it: inside a clause the verb comes with probability
        `clauses / length`, at most 1/2.
    Lag: to the subject for a verb; else -1.
    Chance: the entropy of the words at each step without the source; of real texts, of single
        symbols in training. The optimum is their entropy given all words before; a model that
        follows the clauses but forgets their subjects needs `log2(nouns)` bits more for every verb.
    Source: the agreement across attractors of Linzen, Dupoux and Goldberg (2016), Assessing the
        Ability of LSTMs to Learn Syntax-Sensitive Dependencies (arXiv:1611.01368), as a language
        model whose entropy is known.

    Attributes:
        nouns: the number of nouns, and of verbs; at least 2.
        modifiers: the number of plain modifiers; at least 1.
        attractors: the probability that a modifier is a noun.
        clauses: the expected number of clauses in a text, about.
        source: real texts instead, in windows of the length, a file, folder or name on the Hub; see
            `lagbench.material.real`. Their optimum, 0 bits, is a bound that nothing reaches.
        subset: of a data set on the Hub that has several.
        text: the column of texts; a text file has one of that name.
        tokens: what a token is.
        vocabulary: the number of tokens that are distinguished, the most frequent in training.
    """

    metric: ClassVar[Metric] = Metric.BITS
    synthetic_only = frozenset({"nouns", "modifiers", "attractors", "clauses"})
    real_only = RealOrSyntheticTask.real_only | {"text", "tokens", "vocabulary"}

    nouns: int = 8
    modifiers: int = 8
    attractors: float = 0.25
    clauses: float = 4.0
    text: str = "text"
    tokens: TokenKind = "characters"
    vocabulary: int = 1000

    def __post_init__(self) -> None:
        super().__post_init__()
        require_vocabulary("next_token", self.vocabulary)
        if self.nouns < 2 or self.modifiers < 1:
            raise UserError("next_token needs at least 2 nouns and 1 modifier.")
        if not 0 <= self.attractors <= 1:
            raise UserError(
                f"next_token needs a share from 0 to 1 as attractors, not {self.attractors}."
            )
        if not self.clauses > 0:
            raise UserError(f"next_token needs more than 0 clauses, not {self.clauses}.")

    @property
    def columns(self) -> Columns:
        return ((self.text, text_column),)

    def build_examples(self, dataset: LoadedDataset, length: int) -> Examples:
        return text_windows(dataset, length, self.tokens, self.vocabulary)

    def synthetic_signature(self, length: int) -> Signature:
        lengths.require("next_token", length, 1)
        space = Tokens(2 * self.nouns + self.modifiers)
        return Signature(space, space, Alignment.ALIGNED, length, length, causal=True)

    def synthetic_sample(
        self, length: int, count: int, generator: torch.Generator, split: Split
    ) -> Batch:
        self.synthetic_signature(length)
        shape = count, length + 1
        verb = self._verbs(torch.rand(shape, generator=generator) < self._closing(length))
        subject = pad(verb, (1, -1), value=True)
        nouns = torch.randint(self.nouns, shape, generator=generator)
        plain = torch.randint(2 * self.nouns, 2 * self.nouns + self.modifiers, shape,
                              generator=generator)  # fmt: skip
        attracts = torch.rand(shape, generator=generator) < self.attractors
        start = (subject * torch.arange(length + 1)).cummax(dim=1).values
        text = torch.where(subject | attracts, nouns, plain)
        text = torch.where(verb, self.nouns + nouns.gather(1, start), text)
        lag = (torch.arange(length + 1) - start) * verb - 1
        return Batch(text[:, :-1], text[:, 1:], lag=lag[:, 1:])

    def synthetic_chance(self, length: int) -> float:
        begins, closes, goes_on = self._shares(length)
        return sum(
            float(_bits(share, size).mean())
            for share, size in (
                (begins + goes_on * self.attractors, self.nouns),
                (closes, self.nouns),
                (goes_on * (1 - self.attractors), self.modifiers),
            )
        )

    def synthetic_optimum(self, length: int) -> float:
        begins, closes, goes_on = self._shares(length)
        inside = closes + goes_on
        verb = self._closing(length)
        modifier = (1 - verb) * torch.tensor(
            [self.attractors, 1 - self.attractors], dtype=torch.float64
        )
        sizes = torch.tensor([self.nouns, self.modifiers])
        entropy = _bits(modifier, sizes).sum() + _bits(torch.tensor(verb, dtype=torch.float64), 1)
        return float((inside * entropy + begins * log2(self.nouns)).mean())

    def synthetic_oracle(self, length: int, source: Tensor, source_mask: Tensor | None) -> Tensor:
        """Follow the clauses; log-probabilities, `-inf` where a word is impossible."""
        N, verb = self.nouns, self._closing(length)
        after = (source >= N) & (source < 2 * N)
        start = (pad(after, (1, -1), value=True) * torch.arange(length)).cummax(dim=1).values
        inside = torch.zeros(*source.shape, 2 * N + self.modifiers)
        inside[..., :N] = (1 - verb) * self.attractors / N
        inside[..., 2 * N :] = (1 - verb) * (1 - self.attractors) / self.modifiers
        inside.scatter_(2, N + source.gather(1, start)[..., None], verb)
        outside = (torch.arange(2 * N + self.modifiers) < N) / N
        return torch.where(after[..., None], outside, inside).log()

    def synthetic_display_names(self) -> DisplayNames:
        counts = {"N": self.nouns, "V": self.nouns, "m": self.modifiers}
        words = [f"{kind}{number}" for kind, count in counts.items() for number in range(count)]
        return DisplayNames(words, words)

    def _closing(self, length: int) -> float:
        """How likely the verb comes, where it may."""
        return min(0.5, self.clauses / length)

    def _verbs(self, closing: Tensor) -> Tensor:
        """Which words `(B, T + 1)` are verbs, given where one comes if it may.

        After a verb (and at the beginning, as after one) it may not. So in a run of places where
        one would come, every second is a verb: the first, or the second at the beginning.
        """
        steps = torch.arange(closing.shape[1])
        run = (~closing * (steps + 2)).cummax(dim=1).values  # where it began, less a step, plus 2
        return closing & ((steps - run) % 2 == 1)

    def _shares(self, length: int) -> tuple[Tensor, Tensor, Tensor]:
        """How likely each target begins a clause, closes it with its verb, and neither, `(T,)`."""
        inside, verb = [1.0], self._closing(length)
        for _ in range(length - 1):
            inside.append(1 - inside[-1] * verb)
        share = torch.tensor(inside, dtype=torch.float64)
        return 1 - share, share * verb, share * (1 - verb)


def _bits(share: Tensor, size: Tensor | int) -> Tensor:
    """What words contribute to an entropy that together have this share, all alike."""
    return share * torch.log2(torch.as_tensor(size)) - torch.xlogy(share, share) / log(2)


register("next_token", NextToken())
