"""Agreement against a regular expression for its sentences."""

import re

import pytest
import torch
from scipy.stats import chisquare

from lagbench.contract import Split, UserError
from lagbench.tasks.agreement import ANSWERS, LEXICON, WORDS, Agreement


def any_of(*categories: str) -> str:
    return "(?:" + "|".join(word for name in categories for word in LEXICON.categories[name]) + ")"


PHRASES = f"({any_of('adverb')} ){{0,2}}({any_of('preposition')} the {any_of('noun', 'plural')} )*"
SENTENCE = re.compile(
    f"{PHRASES}the (?P<subject>{any_of('noun', 'plural')}) , which {any_of('verb')} {PHRASES},"
)


def drawn(task: Agreement, length: int, count: int):
    batch = task.sample(length, count, torch.Generator().manual_seed(0), Split.TRAIN)
    return batch, [" ".join(WORDS[token] for token in row) for row in batch.source.tolist()]


@pytest.mark.parametrize("length", [6, 7, 8, 9, 25])
def test_the_verb_agrees_with_the_noun_before_which(length):
    batch, sentences = drawn(Agreement(), length, 100)
    for sentence, target, lag in zip(sentences, batch.target, batch.lag, strict=True):
        match = SENTENCE.fullmatch(sentence)
        assert match, sentence
        subject = match["subject"]
        assert ANSWERS[target.item()] == ("were" if subject.endswith("s") else "was")
        assert sentence.split()[length - 1 - lag.item()] == subject


def test_the_subject_is_anywhere_alike_or_first():
    lags = drawn(Agreement(), 15, 4000)[0].lag[:, 0]
    counts = torch.bincount(lags)
    assert counts[:4].sum() == 0
    assert len(counts) == 14
    assert chisquare(counts[4:]).pvalue > 1e-5
    assert (drawn(Agreement(subject="first"), 15, 100)[0].lag == 13).all()


@pytest.mark.parametrize("attractors", [0.0, 0.25, 1.0])
def test_attractors_have_the_other_number(attractors):
    batch, sentences = drawn(Agreement(attractors=attractors), 40, 500)
    other = []
    for sentence, target, lag in zip(sentences, batch.target, batch.lag, strict=True):
        for step, word in enumerate(sentence.split()):
            if re.fullmatch(any_of("noun", "plural"), word) and step != 39 - lag.item():
                other.append(word.endswith("s") != bool(target))
    assert sum(other) / len(other) == pytest.approx(attractors, abs=0.03)


def test_impossible_settings_are_refused():
    with pytest.raises(UserError, match="probability"):
        Agreement(attractors=1.1)
    with pytest.raises(UserError, match="at least 6, not 5"):
        Agreement().signature(5)
