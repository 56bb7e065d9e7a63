"""Sorting against Python's, lags against the symbols they point at, chance against enumeration."""

from collections import Counter
from itertools import product

import pytest
import torch

from lagbench.contract import Split
from lagbench.tasks.sort import Sort


def drawn(task, length, count=64):
    return task.sample(length, count, torch.Generator().manual_seed(0), Split.TRAIN)


@pytest.mark.parametrize("shortest", [1.0, 0.3])
def test_strings_are_sorted_and_lags_point_at_the_symbols_said(shortest):
    batch = drawn(Sort(shortest=shortest), 11)
    steps = [11] * 64 if shortest == 1 else batch.source_mask.sum(1).tolist()
    for row, n in enumerate(steps):
        source = batch.source[row, :n].tolist()
        said = batch.target[row, :n].tolist()
        assert said == sorted(source)
        places = [n + u - lag for u, lag in enumerate(batch.lag[row, :n].tolist())]
        assert [source[position] for position in places] == said
        assert sorted(places) == list(range(n))


def by_enumeration(alphabet, lengths):
    """The best constants over every string of the lengths, each length as likely."""
    counts = [Counter() for _ in range(max(lengths) + 1)]
    for n in lengths:
        for string in product(range(alphabet), repeat=n):
            for position, symbol in enumerate([*sorted(string), "end"]):
                counts[position][symbol] += alphabet**-n
    counted = [position for position in counts if position]
    right = sum(max(position.values()) for position in counted)
    return right / sum(sum(position.values()) for position in counted)


def test_chance_of_varied_lengths_is_that_of_all_strings():
    expected = by_enumeration(3, [3, 4, 5, 6])
    assert Sort(alphabet=3, shortest=0.5).chance(6) == pytest.approx(expected, rel=1e-12)


def test_chance_of_one_length_is_that_of_all_strings():
    medians = [Counter() for _ in range(5)]
    for string in product(range(4), repeat=5):
        for position, symbol in enumerate(sorted(string)):
            medians[position][symbol] += 1
    expected = sum(max(position.values()) for position in medians) / (5 * 4**5)
    assert Sort(alphabet=4).chance(5) == pytest.approx(expected, rel=1e-12)
