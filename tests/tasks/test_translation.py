"""Translation, clause by clause in words, and chance against a large sample."""

from collections import Counter

import pytest
import torch
from scipy.stats import chisquare

from lagbench.contract import Split, UserError
from lagbench.material.bilingual import ADJECTIVES, LINKS, NOUNS, TRANSLATIONS, VERBS, WORDS
from lagbench.tasks.translation import Translation

STEMS = dict(zip(NOUNS, ("kat", "hun", "vog", "kaval", "lun", "arb", "dom", "vi"), strict=True))
QUALITIES = dict(
    zip(ADJECTIVES, ("grand", "pet", "vet", "jun", "rub", "gris", "bon", "mir"), strict=True)
)
ACTIONS = dict(zip(VERBS, ("vid", "aud", "trov", "am", "tim", "lass", "konv", "des"), strict=True))
CLOSING = dict(zip((*LINKS, "."), ("et", "sed", "ergo", "dum", "."), strict=True))


def drawn(length, count=300, shortest=0.5):
    generator = torch.Generator().manual_seed(0)
    return Translation(shortest).sample(length, count, generator, Split.TRAIN)


def ending(noun):
    singular = noun if noun in NOUNS else noun[:-1]
    return ("a" if NOUNS.index(singular) >= 4 else "o") + ("" if noun in NOUNS else "s")


def inflected(phrase):
    *adjectives, noun = phrase
    singular = noun if noun in NOUNS else noun[:-1]
    return [
        STEMS[singular] + ending(noun),
        *(QUALITIES[word] + ending(noun) for word in adjectives),
    ]


def translated(words):
    """The translation, clause by clause."""
    while words:
        (length,) = [i for i, word in enumerate(words) if word in CLOSING][:1]
        clause, closing, words = words[:length], words[length], words[length + 1 :]
        (position,) = [i for i, word in enumerate(clause) if word in VERBS]
        subject, verb, object_ = clause[:position], clause[position], clause[position + 1 :]
        assert len(subject) <= 3
        assert len(object_) <= 3
        plural = subject[-1] not in NOUNS
        yield from inflected(subject)
        yield from inflected(object_)
        yield ACTIONS[verb] + ("int" if plural else "is")
        yield CLOSING[closing]


def spoken(batch, row):
    source = batch.source[row, batch.source_mask[row]].tolist()
    target = batch.target[row, batch.target_mask[row]].tolist()
    return [WORDS[word] for word in source], [TRANSLATIONS[word] for word in target]


def test_the_example_of_the_docstring():
    source = "young cats saw big old trees and dog feared moons ."
    assert (
        " ".join(translated(source.split(" ")))
        == "katos junos arbas grandas vetas vidint et huno lunas timis ."
    )


@pytest.mark.parametrize("length", [8, 9, 40])
def test_sentences_are_translated_and_lags_point_at_the_words(length):
    batch = drawn(length)
    meaning = {}
    for row in range(300):
        source, target = spoken(batch, row)
        assert target == [*translated(source), "end"]
        assert [word for word in source if word == "."] == source[-1:]
        for u, word in enumerate(target[:-1]):
            step = len(source) + u - batch.lag[row, u].item()
            meaning.setdefault(word, set()).add(source[step].removesuffix("s"))
        assert (batch.lag[row, len(source) :] == -1).all()
    assert all(len(words) == 1 for words in meaning.values())


def test_a_sentence_ends_where_no_further_clause_fits():
    sizes = drawn(30, 2000, shortest=1.0).source_mask.sum(1)
    assert sizes.max() == 30
    assert sizes.min() >= 30 - 7
    assert drawn(30, 2000, shortest=0.0).source_mask.sum(1).min() == 4


def test_words_of_each_kind_are_as_likely():
    batch = drawn(8, 6000, shortest=1.0)
    first = batch.source[:, 0]
    nouns = first[first >= 8] - 8
    assert chisquare(torch.bincount(nouns, minlength=16)).pvalue > 1e-3
    assert chisquare(torch.bincount(first[first < 8], minlength=8)).pvalue > 1e-3
    assert chisquare([len(nouns), 6000 - len(nouns)], [1500, 4500]).pvalue > 1e-3
    counts = Counter(batch.source_mask.sum(1).tolist())
    expected = [6000 * ways / 16 for ways in (1, 4, 6, 4, 1)]
    assert chisquare([counts[size] for size in range(4, 9)], expected).pvalue > 1e-3


@pytest.mark.parametrize(("length", "shortest"), [(8, 0.5), (13, 1.0), (30, 0.3)])
def test_chance_is_that_of_a_large_sample(length, shortest):
    batch = drawn(length, 60_000, shortest)
    counts = torch.stack([
        torch.bincount(column[asked], minlength=len(TRANSLATIONS))
        for column, asked in zip(batch.target.T, batch.target_mask.T, strict=True)
    ])  # fmt: skip
    best = counts.amax(1).sum() / counts.sum()
    assert Translation(shortest).chance(length) == pytest.approx(best.item(), rel=0.01)


def test_impossible_settings_are_refused():
    with pytest.raises(UserError, match="share"):
        Translation(-0.5)
    with pytest.raises(UserError, match="at least 8, not 7"):
        drawn(7)
