"""`translation`: between two made-up languages that order and inflect their words differently."""

from dataclasses import dataclass

import torch
from torch import Tensor

from lagbench import Alignment, Batch, DisplayNames, Signature, Split, Tokens, register
from lagbench.material import lengths, text_metrics
from lagbench.material.bilingual import (
    END,
    FORM,
    INFLECTED,
    LINK,
    NOUN,
    STOP,
    TRANSLATIONS,
    VERB,
    WORDS,
    translate,
)
from lagbench.material.lengths import LengthRange, Longer
from lagbench.material.real.builders import TokenKind, require_vocabulary, text_pairs
from lagbench.material.real.examples import Examples
from lagbench.material.real.loading import Columns, LoadedDataset, text_column
from lagbench.material.real.task import RealOrSyntheticTask

# A clause has up to two adjectives, a noun, a verb, up to two adjectives, a noun, and a link.
_FIRST = torch.tensor([0, 0, NOUN, VERB, 0, 0, NOUN, LINK])[:, None]  # word of each kind
_CHOICES = torch.tensor([8, 8, 16, 8, 8, 8, 16, 4])[:, None]
_NEEDED = torch.tensor([False, False, True, True, False, False, True, True])[:, None]
_GOVERNORS = torch.tensor([2, 2, 2, 2, 6, 6, 6, 6])
_ORDER = torch.tensor([2, 0, 1, 6, 4, 5, 3, 7])  # in the translation
_LONGEST = len(_FIRST)


@dataclass(frozen=True)
class Translation(RealOrSyntheticTask):
    """Translate between two artificial languages with different word order and inflection.

    Data:
        young cats saw big old trees and dog feared moons .
            ->  katos junos arbas grandas vetas vidint et huno lunas timis . end
        Adjectives follow their noun, and agree with it in number and in gender, which the source
        does not show; verbs close their clause, and agree with the subject in number. Nouns have 0
        to 2 adjectives.
    Length: words of the longest source; at least 8. Sentences are the clauses that fit into a
        length drawn for each.
    Lag: to the word translated; -1 for the `end` symbol.
    Chance: the most likely word, or `end`, at each target step; of real texts, in training.
    Source: Sutskever, Vinyals and Le (2014), Sequence to Sequence Learning (arXiv:1409.3215), with
        the reordering and agreement that Bahdanau, Cho and Bengio (2015), arXiv:1409.0473,
        translate by attention.

    Attributes:
        shortest: the smallest length drawn as a share of the largest; of real texts, the shortest.
        source: real pairs of texts instead, a file, folder or name on the Hub; see
            `lagbench.material.real`. The length bounds both sides, without the end.
        subset: of a data set on the Hub that has several.
        reads: the column of source texts.
        writes: the column of their translations.
        tokens: what a token is.
        vocabulary: the number of tokens on each side that are distinguished, the most frequent in
            training.
        longer: whether longer texts are cut to the length, or their pairs dropped.
    """

    real_only = RealOrSyntheticTask.real_only | {
        "reads",
        "writes",
        "tokens",
        "vocabulary",
        "longer",
    }

    shortest: float = 0.5
    reads: str = "en"
    writes: str = "de"
    tokens: TokenKind = "words"
    vocabulary: int = 1000
    longer: Longer = "drop"

    def __post_init__(self) -> None:
        super().__post_init__()
        require_vocabulary("translation", self.vocabulary)
        lengths.require_share("translation", self.shortest)

    @property
    def columns(self) -> Columns:
        return (self.reads, text_column), (self.writes, text_column)

    def build_examples(self, dataset: LoadedDataset, length: int) -> Examples:
        accepted = LengthRange(lengths.minimum(length, self.shortest), length, self.longer)
        return text_pairs(dataset, length, self.tokens, self.vocabulary, accepted)

    def synthetic_signature(self, length: int) -> Signature:
        lengths.require("translation", length, _LONGEST)
        return Signature(
            Tokens(len(WORDS)),
            Tokens(len(TRANSLATIONS), end=END),
            Alignment.FREE,
            length,
            length + 1,
            padded=True,
        )

    def synthetic_sample(
        self, length: int, count: int, generator: torch.Generator, split: Split
    ) -> Batch:
        self.synthetic_signature(length)
        room = lengths.draw(length, self._shortest(length), count, generator)[:, None]
        draws = torch.randint(32, (count, _LONGEST, length // 4), generator=generator)
        there = (draws >= 16) | _NEEDED
        size = there.sum(1, keepdim=True)
        after = size.cumsum(2)  # the first step after each clause
        complete = after <= room[..., None]
        there &= complete
        begin, steps = after - size, (after * complete).amax(2)
        words = _FIRST + (draws & (_CHOICES - 1))
        translations = INFLECTED.take(4 * words + FORM.take(words.index_select(1, _GOVERNORS)))
        source, position = _written(words, there, begin, length)
        translations, there, came = (
            part.index_select(1, _ORDER) for part in (translations, there, position)
        )
        target, goes = _written(translations, there, begin, length + 1)
        lag = torch.full((count, length + 2), -1)
        lag = lag.scatter_(1, goes.flatten(1), steps + (goes - came).flatten(1))[:, 1:]
        source.scatter_(1, steps - 1, STOP)
        target.scatter_(1, steps - 1, END - 1).scatter_(1, steps, END)
        real, asked = torch.arange(length) < steps, torch.arange(length + 1) <= steps
        return Batch(source, target, real, asked, lag)

    def synthetic_chance(self, length: int) -> float:
        begins, fits = [1.0] + [0.0] * (length + _LONGEST), self._fits(length)
        noun, adjective, verb, link, stop, end = (
            torch.zeros(length + 1, dtype=torch.float64) for _ in range(6)
        )
        adjectives = list(zip((0, 1, 2), (1 / 4, 1 / 2, 1 / 4), strict=True))
        clauses = [(first, second, p * q) for first, p in adjectives for second, q in adjectives]
        for start in range(length - 3):
            for first, second, probability in clauses:
                after = start + first + second + 4
                begun = begins[start] * probability
                begins[after] += begun
                if after > length:
                    continue
                complete = begun * fits[after]
                last = complete - begun * sum(p * fits[after + m + n + 4] for m, n, p in clauses)
                noun[[start, start + first + 1]] += complete
                adjective[start + 1 : after - 2] += complete
                adjective[start + first + 1] -= complete
                verb[after - 2] += complete
                link[after - 1] += complete - last
                stop[after - 1] += last
                end[after] += last
        shares = torch.stack([noun / 16, adjective / 32, verb / 16, link / 4, stop, end])
        asked = noun + adjective + verb + link + stop + end
        return float(shares.amax(0).sum() / asked.sum())

    def synthetic_oracle(self, length: int, source: Tensor, source_mask: Tensor | None) -> Tensor:
        """Find each word's place in its clause, and what it agrees with."""
        real = torch.ones_like(source, dtype=torch.bool) if source_mask is None else source_mask
        return translate(source, real)

    def synthetic_display_names(self) -> DisplayNames:
        return DisplayNames(WORDS, TRANSLATIONS)

    def extra_metrics(self, length: int, answers: Tensor, batch: Batch) -> dict[str, float]:
        return {"bleu": text_metrics.bleu(self.display_names(length).target, answers, batch)}

    def _shortest(self, length: int) -> float:
        """The share of the length that is drawn at least, so that a clause fits."""
        return max(self.shortest, _LONGEST / length)

    def _fits(self, length: int) -> list[float]:
        """How likely a sentence has room for each number of words."""
        least = lengths.minimum(length, self._shortest(length))
        room = [min(1.0, (length + 1 - n) / (length + 1 - least)) for n in range(length + 1)]
        return room + [0.0] * _LONGEST


def _written(words: Tensor, there: Tensor, begin: Tensor, steps: int) -> tuple[Tensor, Tensor]:
    """The words `(B, 8, clauses)` that are there, one after another, `(B, steps)`, and zeros.

    begin: the steps before each clause, `(B, 1, clauses)`. Returns too at which step, counted from
    1, each word stands, `(B, 8, clauses)`; 0: nowhere.
    """
    position = (begin + there.cumsum(1)) * there
    written = torch.zeros(len(words), steps + 1, dtype=torch.int64)
    return written.scatter_(1, position.flatten(1), words.flatten(1))[:, 1:], position


register("translation", Translation())
