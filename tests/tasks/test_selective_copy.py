"""Selective copying: targets re-derived, and the two published layouts."""

from collections import Counter
from itertools import combinations

import pytest
import torch
from scipy.stats import binom, chisquare

from lagbench.contract import Split, UserError
from lagbench.tasks.selective_copy import SelectiveCopy, SelectiveCopyMemory


def drawn(task, length, count=64):
    return task.sample(length, count, torch.Generator().manual_seed(0), Split.TRAIN)


def test_symbols_are_said_in_order_and_lags_point_at_them():
    batch = drawn(SelectiveCopy(symbols=5), 17)
    for source, target, lag in zip(
        batch.source.tolist(), batch.target.tolist(), batch.lag.tolist(), strict=True
    ):
        places = [position for position, symbol in enumerate(source) if symbol != 8]
        assert [source[position] for position in places] == target
        assert [17 + u - position for u, position in enumerate(places)] == lag


def test_every_choice_of_steps_is_as_likely():
    batch = drawn(SelectiveCopy(symbols=2), 5, 5000)
    places = Counter(tuple((row != 8).nonzero()[:, 0].tolist()) for row in batch.source)
    assert chisquare([places[pair] for pair in combinations(range(5), 2)]).pvalue > 1e-3


def test_default_fields_have_the_layout_of_mad():
    batch = drawn(SelectiveCopyMemory(), 256)
    assert (batch.source[:, -17] == 15).all()
    assert (batch.source[:, -16:] == 14).all()
    assert (batch.source[:, -18] < 14).all()
    assert batch.target_mask.sum(1).eq(16).all()
    for row in range(64):
        context = batch.source[row, :239]
        assert context[context != 14].tolist() == batch.target[row, -16:].tolist()
        due = torch.arange(240, 256) - batch.lag[row, -16:]
        assert batch.source[row, due].tolist() == batch.target[row, -16:].tolist()


def test_gaps_are_those_of_blanks_that_choose_a_symbol_each():
    """As `np.insert(symbols, np.random.randint(0, M, blanks), blank)` in MAD places them."""
    batch = drawn(SelectiveCopyMemory(symbols=2), 8, 4000)
    first = Counter((batch.source[:, :5] != 14).int().argmax(1).tolist())
    expected = 4000 * binom(3, 0.5).pmf(range(4))
    assert chisquare([first[before] for before in range(4)], expected).pvalue > 1e-3


def test_fields_of_gu_and_dao_have_their_layout():
    task = SelectiveCopyMemory(symbols=3, placing="uniform", marker="held")
    batch = drawn(task, 20, 500)
    assert (batch.source[:, -3:] == 15).all()
    assert (batch.source[:, :-3] < 15).all()
    assert ((batch.source[:, :-3] < 14).sum(1) == 3).all()
    assert (batch.source[:, -4] < 14).any()
    assert (batch.source[:, -4] == 14).any()


@pytest.mark.parametrize(
    ("task", "least"),
    [(SelectiveCopy(), 8), (SelectiveCopyMemory(), 33), (SelectiveCopyMemory(marker="held"), 32)],
    ids=str,
)
def test_the_least_length_is_possible_and_no_less(task, least):
    assert drawn(task, least).source.shape == (64, least)
    with pytest.raises(UserError, match=f"at least {least}"):
        drawn(task, least - 1)


def test_impossible_fields_are_refused():
    with pytest.raises(UserError):
        SelectiveCopy(alphabet=1)
    with pytest.raises(UserError):
        SelectiveCopyMemory(symbols=0)
