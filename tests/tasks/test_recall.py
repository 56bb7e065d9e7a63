"""Recall against a search for the mark, and where the mark stands."""

import pytest
import torch
from scipy.stats import chisquare

from lagbench.contract import Split, UserError
from lagbench.tasks.recall import Recall


def sample(task: Recall, length: int, count: int = 4000):
    return task.sample(length, count, torch.Generator().manual_seed(3), Split.TRAIN)


@pytest.mark.parametrize("length", [2, 3, 17])
def test_the_target_is_the_one_marked_symbol(length):
    batch = sample(Recall(symbols=5), length, 200)
    for row, target, lag in zip(
        batch.source.tolist(), batch.target.tolist(), batch.lag.tolist(), strict=True
    ):
        *context, question = row
        marked = [(step, token) for step, token in enumerate(context) if token >= 5]
        assert question == 10
        assert marked == [(length - 1 - lag[0], target[0] + 5)]


def test_every_place_and_every_symbol_is_as_likely():
    batch = sample(Recall(symbols=4), 9)
    places = torch.bincount(8 - batch.lag[:, 0], minlength=8)
    assert len(places) == 8
    assert chisquare(places).pvalue > 1e-5
    assert chisquare(torch.bincount(batch.target[:, 0], minlength=4)).pvalue > 1e-5


def test_distractors_say_nothing_about_the_cue():
    batch = sample(Recall(symbols=2, cue="first"), 3)
    table = torch.bincount(batch.target[:, 0] * 2 + batch.source[:, 1], minlength=4)
    assert chisquare(table).pvalue > 1e-5


def test_the_cue_can_be_fixed_at_the_first_step():
    batch = sample(Recall(cue="first"), 12)
    assert (batch.lag == 11).all()
    assert (batch.source[:, 0] == batch.target[:, 0] + 8).all()


def test_impossible_settings_are_one_sentence():
    with pytest.raises(UserError, match="at least 2 symbols, not 1"):
        Recall(symbols=1)
    with pytest.raises(UserError, match="a length of at least 2, not 1"):
        sample(Recall(), 1)
