"""Sentiment against a parser, and against everything that counting words can find out."""

import re
from collections import Counter

import pytest
import torch
from scipy.stats import chisquare
from sklearn.linear_model import LogisticRegression

from lagbench.contract import Split, UserError
from lagbench.tasks.sentiment import ANSWERS, LEXICON, WORDS, Sentiment


def any_of(*categories: str) -> str:
    return "(?:" + "|".join(word for name in categories for word in LEXICON.categories[name]) + ")"


PHRASES = f"({any_of('adverb')} ){{0,2}}({any_of('preposition')} the {any_of('noun')} )*"


def opinion(number: int) -> str:
    manner, adjective = any_of("emphasis", "negation"), any_of("bad", "good")
    return f"it {any_of('verb')} (?P<manner{number}>{manner}) (?P<adjective{number}>{adjective}) "


REVIEW = re.compile(
    f"{PHRASES}{opinion(1)}{PHRASES}(?P<contrast>{any_of('contrast')}) {opinion(2)}{PHRASES}\\."
)


def drawn(length: int, count: int):
    batch = Sentiment().sample(length, count, torch.Generator().manual_seed(0), Split.TRAIN)
    return batch, [" ".join(WORDS[token] for token in row) for row in batch.source.tolist()]


def parsed(review: str) -> tuple[str, list[bool], list[bool]]:
    match = REVIEW.fullmatch(review)
    assert match, review
    good = [match[f"adjective{n}"] in LEXICON.categories["good"] for n in (1, 2)]
    return match["contrast"], good, [match[f"manner{n}"] == "not" for n in (1, 2)]


def verdict(review: str) -> str:
    contrast, good, negated = parsed(review)
    main = 1 if contrast == "but" else 0
    return ANSWERS[good[main] != negated[main]]


def twin(review: str) -> str:
    """The review with the same words and the opposite verdict."""
    _, _, negated = parsed(review)
    match = REVIEW.fullmatch(review)
    exchanged = "manner" if negated[0] != negated[1] else "adjective"
    (a, b), (c, d) = match.span(f"{exchanged}1"), match.span(f"{exchanged}2")
    return review[:a] + review[c:d] + review[b:c] + review[a:b] + review[d:]


@pytest.mark.parametrize("length", [10, 11, 12, 30])
def test_the_verdict_is_that_of_the_main_clause(length):
    batch, reviews = drawn(length, 200)
    for review, target, lag in zip(reviews, batch.target, batch.lag, strict=True):
        assert ANSWERS[target.item()] == verdict(review)
        match = REVIEW.fullmatch(review)
        adjective = match["adjective2" if match["contrast"] == "but" else "adjective1"]
        assert review.split()[length - 1 - lag.item()] == adjective


@pytest.mark.parametrize(
    "words", ["not long but very interesting", "very long but not interesting"]
)
def test_negation_decides_the_example_of_the_docstring(words):
    tokens = [
        WORDS.index(word) for word in f"it was {words.replace('but', 'but it was')} .".split()
    ]
    answer = Sentiment().oracle(len(tokens), torch.tensor([tokens]), None).item()
    assert ANSWERS[answer] == ("positive" if words.startswith("not") else "negative")


def test_every_review_has_a_twin_with_the_same_words_and_the_other_verdict():
    for review in drawn(20, 500)[1]:
        assert Counter(twin(review).split()) == Counter(review.split())
        assert verdict(twin(review)) != verdict(review)
        assert twin(twin(review)) == review


def test_twins_are_as_likely_since_all_pairs_of_opinions_are():
    counts = Counter(
        (contrast, *good, *negated) for contrast, good, negated in map(parsed, drawn(10, 12_000)[1])
    )
    assert len(counts) == 24  # two contrasts, and 12 of 16 pairs of opinions
    assert chisquare(list(counts.values())).pvalue > 1e-5


def test_a_classifier_of_word_counts_stays_at_chance():
    batch, _ = drawn(24, 8000)
    bags = torch.nn.functional.one_hot(batch.source, len(WORDS)).sum(1).numpy()
    labels = batch.target[:, 0].numpy()
    fitted = LogisticRegression(max_iter=1000).fit(bags[:4000], labels[:4000])
    assert fitted.score(bags[4000:], labels[4000:]) == pytest.approx(0.5, abs=0.035)


def test_gaps_are_shared_out_in_all_ways_alike():
    reviews = drawn(12, 6000)[1]
    counts = Counter(
        (words.index("it"), next(i for i, word in enumerate(words) if word in ("but", "although")))
        for words in map(str.split, reviews)
    )
    assert len(counts) == 6  # two words in three gaps
    assert chisquare(list(counts.values())).pvalue > 1e-5


def test_nine_words_are_too_few():
    with pytest.raises(UserError, match="at least 10, not 9"):
        Sentiment().signature(9)
