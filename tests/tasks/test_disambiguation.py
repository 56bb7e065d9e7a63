"""Disambiguation, read as words, and that nothing but the later cue gives the sense away."""

from collections import Counter
from itertools import combinations

import pytest
import torch
from scipy.stats import chi2_contingency, chisquare

from lagbench.contract import Split, UserError
from lagbench.tasks.disambiguation import ANSWERS, CUES, FILLERS, NAMES, WORDS, Disambiguation

MEANING = {
    "Teddy": ("bears", "Roosevelt"),
    "Paris": ("museums", "Hilton"),
    "Austin": ("Texas", "Powers"),
    "Florence": ("frescoes", "Nightingale"),
}


def drawn(task, length, count=400):
    return task.sample(length, count, torch.Generator().manual_seed(0), Split.TRAIN)


@pytest.mark.parametrize("decoys", [0.0, 0.25, 1.0])
@pytest.mark.parametrize("length", [2, 3, 20])
def test_the_sense_is_that_of_the_one_cue_after_the_name(decoys, length):
    batch = drawn(Disambiguation(decoys=decoys), length)
    for row in range(400):
        words = [WORDS[symbol] for symbol in batch.source[row].tolist()]
        (position,) = batch.target_mask[row].nonzero()[:, 0].tolist()
        assert [step for step, word in enumerate(words) if word in NAMES] == [position]
        deciding = [word for word in words[position + 1 :] if word in MEANING[words[position]]]
        sense = ANSWERS[batch.target[row, position]]
        assert deciding == [MEANING[words[position]][ANSWERS.index(sense)]]


def test_what_stands_up_to_the_name_is_independent_of_its_sense():
    """So no causal model does better than chance: shown for the words before it."""
    batch = drawn(Disambiguation(decoys=1.0), 8, 8000)
    position = batch.target_mask.int().argmax(1, keepdim=True)
    sense = batch.target.gather(1, position)
    before = torch.arange(8) < position
    table = torch.zeros(2, len(WORDS), dtype=torch.int64)
    index = (sense.expand_as(before)[before], batch.source[before])
    table.index_put_(index, torch.ones(int(before.sum()), dtype=torch.int64), accumulate=True)
    assert (table[:, -len(CUES) :] > 100).all()
    assert chi2_contingency(table[:, -len(CUES) :]).pvalue > 1e-3


def test_every_pair_of_places_is_as_likely():
    batch = drawn(Disambiguation(decoys=0.0), 5, 6000)
    pairs = Counter(tuple((row >= len(FILLERS)).nonzero()[:, 0].tolist()) for row in batch.source)
    assert chisquare([pairs[pair] for pair in combinations(range(5), 2)]).pvalue > 1e-3


def test_words_around_are_drawn_uniformly():
    batch = drawn(Disambiguation(decoys=0.0), 20, 500)
    plain = batch.source[batch.source < len(FILLERS)]
    assert chisquare(torch.bincount(plain, minlength=len(FILLERS))).pvalue > 1e-3


def test_the_cue_can_be_as_far_as_the_sentence_is_long():
    batch = drawn(Disambiguation(cue="last"), 9)
    assert batch.target_mask[:, 0].all()
    assert (batch.source[:, -1] >= len(FILLERS) + len(NAMES)).all()


def test_impossible_settings_are_refused():
    with pytest.raises(UserError, match="not 2"):
        Disambiguation(decoys=2)
    with pytest.raises(UserError, match="at least 2, not 1"):
        drawn(Disambiguation(), 1)
