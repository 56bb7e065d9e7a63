"""The Mackey–Glass series against its equation, and its windows."""

from itertools import pairwise

import pytest
import torch

from lagbench.contract import Split, UserError
from lagbench.tasks.forecast_mackey_glass import ForecastMackeyGlass


def drawn(task, length, count=64, split=Split.TRAIN, seed=0):
    return task.sample(length, count, torch.Generator().manual_seed(seed), split)


def series(batch):
    return torch.cat([batch.source[:, :1], batch.target], 1)[..., 0]


@pytest.mark.parametrize("delay", [17, 30])
def test_the_series_follows_the_equation_and_is_asked_for_once_it_is_determined(delay):
    batch = drawn(ForecastMackeyGlass(delay), 50, 8)
    for values, asked, lag in zip(
        series(batch).tolist(), batch.target_mask.tolist(), batch.lag.tolist(), strict=True
    ):
        assert asked == [False] * delay + [True] * (50 - delay)
        assert lag == [-1] * delay + [delay] * (50 - delay)
        for t in range(delay, 50):
            delayed = values[t - delay]
            change = 0.2 * delayed / (1 + delayed**10) - 0.1 * values[t]
            assert values[t + 1] == pytest.approx(values[t] + change, abs=1e-6)


def test_the_series_is_chaotic_and_the_splits_lie_apart():
    """No window of validation or test comes near one of training."""
    train = series(drawn(ForecastMackeyGlass(), 60, 14_000))
    for split in (Split.VALIDATION, Split.TEST):
        other = series(drawn(ForecastMackeyGlass(), 60, 50, split))
        assert torch.cdist(other, train).min() > 1e-3


def test_windows_are_those_that_begin_at_successive_values():
    task = ForecastMackeyGlass()
    first = sorted(series(drawn(task, 20, 3_000, Split.TEST)).tolist())
    again = sorted(series(drawn(task, 20, 3_000, Split.TEST, seed=1)).tolist())
    assert first == again
    assert all(one != two for one, two in pairwise(first))


def test_persistence_and_chance_are_errors_over_all_windows():
    task = ForecastMackeyGlass()
    batch = drawn(task, 30, task.num_examples(30, Split.TRAIN))
    last, asked = batch.source[:, 17:].double(), batch.target[:, 17:].double()
    assert task.persistence(30) == pytest.approx((last - asked).square().mean().item(), rel=1e-9)
    error = (asked - asked.mean(0)).square().mean().item()
    assert task.chance(30) == pytest.approx(error, rel=1e-9)


def test_impossible_settings_are_refused():
    with pytest.raises(UserError, match="at least 17, not 16"):
        ForecastMackeyGlass(16)
    with pytest.raises(UserError, match="at least 18, not 17"):
        drawn(ForecastMackeyGlass(), 17)
