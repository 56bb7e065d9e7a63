"""Walker's alias method against the weights that it is made of."""

import pytest
import torch
from scipy.stats import chisquare

from lagbench.material.sampling import AliasTable


def weights(count: int) -> torch.Tensor:
    """Very unequal ones, some of them 0."""
    generator = torch.Generator().manual_seed(count)
    actual = torch.rand(count, dtype=torch.float64, generator=generator) ** 8
    actual[1::3] = 0
    return actual


@pytest.mark.parametrize("count", [1, 2, 7, 63, 500])
def test_the_columns_hold_the_weights(count):
    alias = AliasTable.of(weights(count))
    shares = torch.cat([alias.boundary, 1 - alias.boundary]) / count
    actual = torch.zeros(count, dtype=torch.float64).index_add_(0, alias.outcomes, shares)
    torch.testing.assert_close(actual, weights(count) / weights(count).sum(), atol=1e-12, rtol=0)


def test_outcomes_are_as_frequent_as_their_weights():
    exact, count = torch.arange(20.0) % 5, 100_000
    drawn = AliasTable.of(exact).draw(count, torch.Generator().manual_seed(0))
    seen = torch.bincount(drawn, minlength=20)
    assert seen[exact == 0].sum() == 0
    likely = exact > 0
    expected = count * exact[likely] / exact.sum()
    assert chisquare(seen[likely], expected).pvalue > 1e-5
