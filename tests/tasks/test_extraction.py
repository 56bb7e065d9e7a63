"""Extraction against a regular expression for its sentences."""

import re

import pytest
import torch
from scipy.stats import chisquare

from lagbench.contract import Split, UserError
from lagbench.tasks.extraction import LEXICON, WORDS, YEARS, Extraction


def any_of(*categories: str) -> str:
    return "(?:" + "|".join(word for name in categories for word in LEXICON.categories[name]) + ")"


PHRASE = f"{any_of('preposition')} {any_of('determiner', 'number')} {any_of('noun')} "
PHRASES = f"({any_of('adverb')} ){{0,2}}({PHRASE})*"
SENTENCE = re.compile(
    rf"(in (?P<first>\d+) I went {PHRASES}|I went {PHRASES}in (?P<then>\d+) {PHRASES})\."
)


def drawn(task: Extraction, length: int, count: int):
    batch = task.sample(length, count, torch.Generator().manual_seed(0), Split.TRAIN)
    return batch, [" ".join(WORDS[token] for token in row) for row in batch.source.tolist()]


@pytest.mark.parametrize("length", [5, 6, 7, 8, 26])
def test_the_answer_is_the_year_after_in(length):
    batch, sentences = drawn(Extraction(), length, 100)
    for sentence, target, lag in zip(sentences, batch.target, batch.lag, strict=True):
        match = SENTENCE.fullmatch(sentence)
        assert match, sentence
        year = match["first"] or match["then"]
        assert YEARS[target.item()] == year
        assert sentence.split()[length - 1 - lag.item()] == year


def test_the_year_is_anywhere_alike():
    counts = torch.bincount(drawn(Extraction(), 12, 4000)[0].lag[:, 0])
    allowed = [*range(1, 9), 10]  # not the full stop, nor between "I" and "went"
    assert counts.nonzero()[:, 0].tolist() == allowed
    assert chisquare(counts[allowed]).pvalue > 1e-5


@pytest.mark.parametrize("distractors", [0.0, 0.3, 1.0])
def test_other_numbers_stand_before_nouns(distractors):
    _, sentences = drawn(Extraction(distractors), 40, 300)
    text = " ".join(sentences)
    numbers = len(re.findall(r"\d+", text)) - len(sentences)
    articles = text.split().count("the")
    assert numbers / (numbers + articles) == pytest.approx(distractors, abs=0.03)


def test_all_years_are_as_likely():
    assert chisquare(torch.bincount(drawn(Extraction(), 9, 8000)[0].target[:, 0])).pvalue > 1e-5


def test_impossible_settings_are_refused():
    with pytest.raises(UserError, match="probability"):
        Extraction(distractors=-0.1)
    with pytest.raises(UserError, match="at least 5, not 4"):
        Extraction().signature(4)
