"""Numbers without replacement: different, and every ordered choice of them as likely."""

from collections import Counter

import pytest
import torch
from scipy.stats import chisquare

from lagbench.material.sampling import deal, distinct


@pytest.mark.parametrize("size", [3, 40])
def test_rows_are_different_numbers_and_uniform(size):
    rows = distinct(size, (30_000, 3), torch.Generator().manual_seed(1))
    assert (rows.sort(1).values.diff(dim=1) > 0).all()
    if size == 3:
        counts = list(Counter(map(tuple, rows.tolist())).values())
        assert len(counts) == 6
        assert chisquare(counts).pvalue > 1e-3
    for column in rows.T:
        assert chisquare(torch.bincount(column, minlength=size)).pvalue > 1e-3
    assert chisquare(torch.bincount((rows[:, 1] - rows[:, 0]) % size)[1:]).pvalue > 1e-3


def test_every_number_is_dealt_before_any_comes_again():
    dealt = deal(7, 17, torch.Generator().manual_seed(1)).tolist()
    assert sorted(dealt[:7]) == sorted(dealt[7:14]) == list(range(7))
    assert len(set(dealt[14:])) == 3
    assert len(deal(7, 0, torch.Generator())) == 0
