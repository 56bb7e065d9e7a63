"""`sentiment`: the verdict of a review that praises and blames, in words that count for nothing."""

from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor

from lagbench import Alignment, Batch, DisplayNames, Signature, Split, Tokens, register
from lagbench.material import lengths
from lagbench.material.language import Lexicon, fill
from lagbench.material.lengths import LengthRange, Longer
from lagbench.material.real.builders import TokenKind, classified_texts, require_vocabulary
from lagbench.material.real.examples import Examples
from lagbench.material.real.loading import Columns, LoadedDataset, label_column, text_column
from lagbench.material.real.task import RealOrSyntheticTask

LEXICON = Lexicon(
    (
        ("again", "tonight", "yesterday", "afterwards"),
        ("after", "during", "before", "with"),
        ("the",),
        ("break", "trailer", "opening", "music", "friends", "finale", "crowd", "credits"),
    ),
    pronoun=("it",),
    verb=("was", "felt"),
    emphasis=("very", "really"),
    negation=("not",),
    bad=("long", "dull", "noisy", "shallow"),
    good=("interesting", "moving", "funny", "brilliant"),
    contrast=("but", "although"),
    stop=(".",),
)
WORDS = LEXICON.words
ANSWERS = ("negative", "positive")
# (good?, negated?) of the two opinions: 12 of 16, without those that differ in nothing.
_OPINIONS = torch.tensor([
    opinions for opinions in product((0, 1), repeat=4) if opinions[:2] != opinions[2:]
])  # fmt: skip
_FIRST, _SECOND = 4, 5  # "it was very long", "but it was not dull"


@dataclass(frozen=True)
class Sentiment(RealOrSyntheticTask):
    """Classify the verdict of a review that holds two opinions.

    Data:
        it was not long with the break but it was very interesting .  ->  positive
        it was very long with the break but it was not interesting .  ->  negative
        tonight it felt very funny although it was really dull .      ->  positive
        The verdict is the opinion of the main clause: the second after "but", the first before
        "although". A bag of words is exactly at chance: exchanging "not" with the other opinion's
        emphasis, or the adjectives if both or neither are negated, inverts the verdict, keeps all
        counts, and gives an equally likely review.
    Length: words, the full stop included; at least 10. Neutral phrases fill the gaps before,
        between and after the opinions, uniformly.
    Lag: from the full stop to the adjective of the verdict.
    Chance: 1/2; of real texts, the share of the most frequent class in training.
    Source: contrastive conjunctions and negation as in Socher et al. (2013), Recursive Deep Models
        for Semantic Compositionality over a Sentiment Treebank, EMNLP, sections 5.3 and 5.4.

    Attributes:
        source: real texts with classes instead, a file, folder or name on the Hub; see
            `lagbench.material.real`.
        subset: of a data set on the Hub that has several.
        text: the column of texts.
        label: the column of classes.
        tokens: what a token is.
        vocabulary: the number of tokens that are distinguished, the most frequent in training.
        shortest: the shortest text as a share of the longest.
        longer: whether longer texts are cut to the length or dropped.
    """

    real_only = RealOrSyntheticTask.real_only | {
        "text", "label", "tokens", "vocabulary", "shortest", "longer",
    }  # fmt: skip

    text: str = "text"
    label: str = "label"
    tokens: TokenKind = "words"
    vocabulary: int = 1000
    shortest: float = 0.0
    longer: Longer = "cut"

    def __post_init__(self) -> None:
        super().__post_init__()
        require_vocabulary("sentiment", self.vocabulary)
        lengths.require_share("sentiment", self.shortest)

    @property
    def columns(self) -> Columns:
        return (self.text, text_column), (self.label, label_column)

    def build_examples(self, dataset: LoadedDataset, length: int) -> Examples:
        accepted = LengthRange(lengths.minimum(length, self.shortest), length, self.longer)
        return classified_texts(dataset, length, self.tokens, self.vocabulary, accepted)

    def synthetic_signature(self, length: int) -> Signature:
        lengths.require("sentiment", length, 10)
        return Signature(Tokens(len(WORDS)), Tokens(len(ANSWERS)), Alignment.POOLED, length)

    def synthetic_sample(
        self, length: int, count: int, generator: torch.Generator, split: Split
    ) -> Batch:
        self.synthetic_signature(length)
        starts = _starts(length, count, generator)
        good, negated = _opinions(count, generator)
        adjectives = starts + torch.tensor([_FIRST, _SECOND]) - 1
        kinds = fill(length, starts, [_FIRST, _SECOND])
        kinds.scatter_(1, adjectives - 3, LEXICON.category("pronoun"))
        kinds.scatter_(1, adjectives - 2, LEXICON.category("verb"))
        kinds.scatter_(1, adjectives - 1, LEXICON.category("emphasis") + negated)
        kinds.scatter_(1, adjectives, LEXICON.category("bad") + good)
        kinds.scatter_(1, starts[:, 1:], LEXICON.category("contrast"))
        kinds[:, -1] = LEXICON.category("stop")
        source = LEXICON.draw(kinds, generator)
        main = (source.gather(1, starts[:, 1:]) == LEXICON.word("but")).long()
        verdict = (good ^ negated).gather(1, main)
        return Batch(source, verdict, lag=length - 1 - adjectives.gather(1, main))

    def synthetic_chance(self, length: int) -> float:
        return 0.5

    def synthetic_oracle(self, length: int, source: Tensor, source_mask: Tensor | None) -> Tensor:
        """Find both adjectives, and take the one of the main clause with what stands before it."""
        bad, good, end = (LEXICON.first(name) for name in ("bad", "good", "contrast"))
        adjective = (source >= bad) & (source < end)
        first = adjective.int().argmax(1, keepdim=True)
        last = length - 1 - adjective.flip(1).int().argmax(1, keepdim=True)
        but = (source == LEXICON.word("but")).any(1, keepdim=True)
        position = torch.where(but, last, first)
        negated = source.gather(1, (position - 1).clamp(min=0)) == LEXICON.word("not")
        return ((source.gather(1, position) >= good) ^ negated).long()

    def synthetic_display_names(self) -> DisplayNames:
        return DisplayNames(WORDS, ANSWERS)


def _starts(length: int, count: int, generator: torch.Generator) -> Tensor:
    """Where the two opinions start, `(count, 2)`, all pairs that fit alike."""
    places = length - _FIRST - _SECOND + 1  # with either opinion as one step, the stop left out
    first = torch.randint(places, (count, 1), generator=generator)
    second = torch.randint(places - 1, (count, 1), generator=generator)
    pair = torch.cat([first, second + (second >= first)], dim=1).sort(1).values
    return pair + torch.tensor([0, _FIRST - 1])


def _opinions(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Whether each adjective is good, and whether it is negated: both `(count, 2)`."""
    drawn = _OPINIONS[torch.randint(len(_OPINIONS), (count,), generator=generator)].view(-1, 2, 2)
    return drawn[..., 0], drawn[..., 1]


register("sentiment", Sentiment())
