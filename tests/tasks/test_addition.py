"""Addition against Python's, carries included, and chance against all sums."""

from collections import Counter
from itertools import product

import pytest
import torch
from scipy.stats import chisquare

from lagbench.contract import Split, UserError
from lagbench.tasks.addition import Addition

SYMBOLS = "0123456789+"


def drawn(task, length, count=500):
    return task.sample(length, count, torch.Generator().manual_seed(0), Split.TRAIN)


def written(symbols, mask):
    return "".join(SYMBOLS[symbol] for symbol in symbols[mask].tolist())


@pytest.mark.parametrize("length", [3, 4, 7, 64])
@pytest.mark.parametrize("shortest", [0.0, 0.5, 1.0])
def test_sums_are_right_and_numbers_have_no_leading_zeros(length, shortest):
    batch, most = drawn(Addition(shortest), length), (length - 1) // 2
    sizes = set()
    for row in range(500):
        one, two = written(batch.source[row], batch.source_mask[row]).split("+")
        answer = written(batch.target[row], batch.target_mask[row])
        assert answer == f"{int(one) + int(two)}+"  # the end has the number of the plus
        assert "0" not in (one[0], two[0])
        sizes |= {len(one), len(two)}
    assert max(sizes) == most
    assert min(sizes) >= max(1, round(shortest * most))


@pytest.mark.parametrize(
    ("asked", "answer"),
    [("999+1", "1000"), ("1+999", "1000"), ("545+455", "1000"), ("505+44", "549")],
)
def test_carries_run_through_nines(asked, answer):
    source = torch.tensor([[SYMBOLS.index(symbol) for symbol in asked.ljust(9, "0")]])
    mask = torch.arange(9)[None] < len(asked)
    known = Addition().oracle(9, source, mask)[0, : len(answer) + 1]
    assert written(known, slice(None)) == f"{answer}+"


def test_digits_are_uniform():
    batch = drawn(Addition(1.0), 7, 20_000)
    for position in (0, 4):
        assert chisquare(torch.bincount(batch.source[:, position])[1:]).pvalue > 1e-3
    for position in (1, 2, 5, 6):
        assert chisquare(torch.bincount(batch.source[:, position])).pvalue > 1e-3


@pytest.mark.parametrize("shortest", [0.0, 0.6, 1.0])
def test_chance_is_that_of_all_sums(shortest):
    most, least = 3, max(1, round(3 * shortest))
    counts = [Counter() for _ in range(most + 2)]
    sums = Counter()
    numbers = [(n, 1 / (9 * 10 ** (len(str(n)) - 1))) for n in range(10 ** (least - 1), 10**most)]
    for (one, p), (two, q) in product(numbers, numbers):
        sums[one + two] += p * q
    for total, weight in sums.items():
        for position, symbol in enumerate(f"{total}."):
            counts[position][symbol] += weight
    right = sum(max(position.values()) for position in counts if position)
    expected = right / sum(sum(position.values()) for position in counts)
    assert Addition(shortest).chance(2 * most + 1) == pytest.approx(expected, rel=1e-9)


def test_impossible_settings_are_refused():
    with pytest.raises(UserError, match="share"):
        Addition(1.5)
    with pytest.raises(UserError, match="at least 3, not 2"):
        drawn(Addition(), 2)
