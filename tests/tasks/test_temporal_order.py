"""Temporal order against reading the letters, and where the signals stand."""

from itertools import combinations

import pytest
import torch
from scipy.stats import chisquare

from lagbench.contract import Split, UserError
from lagbench.tasks.temporal_order import WORDS, TemporalOrder


def drawn(task: TemporalOrder, length: int, count: int):
    return task.sample(length, count, torch.Generator().manual_seed(0), Split.TRAIN)


def places(batch) -> torch.Tensor:
    signal = (batch.source == WORDS.index("X")) | (batch.source == WORDS.index("Y"))
    return signal.nonzero()[:, 1].view(len(batch.source), -1)


@pytest.mark.parametrize("where", ["anywhere", "windows"])
@pytest.mark.parametrize("signals", [2, 3])
def test_the_class_is_the_order_of_x_and_y(signals, where):
    batch = drawn(TemporalOrder(signals, where), 24, 200)
    for row, target, lag in zip(batch.source.tolist(), batch.target, batch.lag, strict=True):
        letters = "".join(WORDS[token] for token in row)
        order = [letter for letter in letters if letter in "XY"]
        assert letters[0] == "E"
        assert letters[-1] == "B"
        assert set(letters[1:-1]) <= set("abcdXY")
        assert len(order) == signals
        assert target.item() == int("".join(order).replace("X", "0").replace("Y", "1"), 2)
        assert lag.item() == 23 - min(letters.index(letter) for letter in set(order))


def test_all_classes_are_as_likely():
    assert chisquare(torch.bincount(drawn(TemporalOrder(3), 9, 4000).target[:, 0])).pvalue > 1e-5


def test_anywhere_means_every_set_of_inner_steps_alike():
    actual = [tuple(row) for row in places(drawn(TemporalOrder(), 7, 4000)).tolist()]
    counts = [actual.count(pair) for pair in combinations(range(1, 6), 2)]
    assert sum(counts) == 4000
    assert chisquare(counts).pvalue > 1e-5


@pytest.mark.parametrize(
    ("signals", "windows"),
    [(2, [(10, 20), (50, 60)]), (3, [(10, 20), (33, 43), (66, 76)])],
)
def test_the_windows_at_length_100_are_those_of_the_paper(signals, windows):
    actual = places(drawn(TemporalOrder(signals, "windows"), 100, 4000))
    for column, (first, last) in zip(actual.T, windows, strict=True):
        counts = torch.bincount(column - first)
        assert len(counts) == last - first + 1
        assert chisquare(counts).pvalue > 1e-5


def test_windows_never_overlap_nor_reach_the_ends():
    for length in range(10, 200):
        actual = places(drawn(TemporalOrder(3, "windows"), length, 200))
        assert actual.shape == (200, 3)
        assert (actual[:, 0] >= 1).all()
        assert (actual[:, 2] <= length - 2).all()


def test_impossible_settings_are_refused():
    with pytest.raises(UserError, match="2 or 3 signals, not 4"):
        TemporalOrder(4)
    with pytest.raises(UserError, match="at least 5, not 4"):
        TemporalOrder(3).signature(4)
    with pytest.raises(UserError, match="at least 10, not 9"):
        TemporalOrder(places="windows").signature(9)
