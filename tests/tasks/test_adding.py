"""Adding against a loop over the marked steps, and where these lie."""

import pytest
import torch
from scipy.stats import chisquare, kstest

from lagbench.contract import Split, UserError
from lagbench.tasks.adding import Adding


def sample(task: Adding, length: int, count: int = 4000):
    return task.sample(length, count, torch.Generator().manual_seed(5), Split.TRAIN)


@pytest.mark.parametrize("markers", ["halves", "anywhere"])
@pytest.mark.parametrize("length", [2, 3, 24])
def test_the_target_is_the_sum_of_the_two_marked_values(markers, length):
    batch = sample(Adding(markers), length, 200)
    for row, target, lag in zip(
        batch.source.tolist(), batch.target.flatten().tolist(), batch.lag.tolist(), strict=True
    ):
        marked = [(step, value) for step, (value, marker) in enumerate(row) if marker == 1]
        assert len(marked) == 2
        assert target == pytest.approx(sum(value for _, value in marked), abs=1e-6)
        assert lag == [length - 1 - marked[0][0]]
    assert set(batch.source[..., 1].unique().tolist()) <= {0.0, 1.0}


def test_one_marker_stands_in_each_half_uniformly():
    steps = sample(Adding(), 11).source[..., 1].nonzero()[:, 1].view(-1, 2)
    assert chisquare(torch.bincount(steps[:, 0], minlength=5)).pvalue > 1e-5
    assert chisquare(torch.bincount(steps[:, 1] - 5, minlength=6)).pvalue > 1e-5


def test_tcn_marks_every_pair_of_steps_alike():
    steps = sample(Adding("anywhere"), 5).source[..., 1].nonzero()[:, 1].view(-1, 2)
    pairs = torch.bincount(steps[:, 0] * 5 + steps[:, 1], minlength=25).view(5, 5)
    above = torch.triu(torch.ones(5, 5, dtype=torch.bool), 1)
    assert pairs[~above].sum() == 0
    assert chisquare(pairs[above]).pvalue > 1e-5


def test_values_are_uniform_and_the_constant_one_errs_by_a_sixth():
    batch = sample(Adding("anywhere"), 200, 20_000)
    assert kstest(batch.source[:100, :, 0].flatten(), "uniform").pvalue > 1e-5
    errors = (batch.target - 1).square()
    assert abs(errors.mean().item() - Adding().chance(200)) < 4 * errors.std() / 20_000**0.5


def test_one_step_is_too_short():
    with pytest.raises(UserError, match="at least 2, not 1"):
        sample(Adding(), 1)
