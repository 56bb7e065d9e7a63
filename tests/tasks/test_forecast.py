"""Forecasts of sines: their covariance, and optimum and oracle against linear regression."""

from math import cos, pi

import pytest
import torch

from lagbench.contract import Split, UserError
from lagbench.tasks.forecast import Forecast


def drawn(task, length, count=64):
    return task.sample(length, count, torch.Generator().manual_seed(0), Split.TRAIN)


def series(batch):
    return torch.cat([batch.source[:, :1], batch.target], 1)[..., 0]


def covariance(task, length):
    """Of values `k` steps apart: a mean of cosines, and the noise at 0."""
    rates = [2 * pi * task.cycles * j / length for j in range(1, task.sines + 1)]
    row = [sum(cos(rate * k) for rate in rates) / task.sines for k in range(length + 1)]
    apart = torch.arange(length + 1).sub(torch.arange(length + 1)[:, None]).abs()
    return torch.tensor(row, dtype=torch.float64)[apart] + task.noise**2 * torch.eye(length + 1)


def test_series_have_the_stated_covariance():
    task = Forecast(sines=2, cycles=1.5, noise=0.5)
    values = series(drawn(task, 6, 200_000)).double()
    torch.testing.assert_close(values.T @ values / 200_000, covariance(task, 6), atol=0.02, rtol=0)


@pytest.mark.parametrize("length", [1, 2, 16])
def test_optimum_and_oracle_are_those_of_linear_regression(length):
    """On the true covariance, step by step, without the Cholesky factor."""
    task = Forecast(sines=3, cycles=1.3, noise=0.4)
    C, batch = covariance(task, length), drawn(task, length)
    answers = task.oracle(length, batch.source, None)[..., 0].double()
    errors = []
    for t in range(1, length + 1):
        weights = torch.linalg.solve(C[:t, :t], C[:t, t])
        errors.append(C[t, t] - weights @ C[:t, t])
        known = batch.source[:, :t, 0].double() @ weights
        torch.testing.assert_close(answers[:, t - 1], known, atol=1e-5, rtol=1e-5)
    assert task.optimum(length) == pytest.approx(float(sum(errors) / length), rel=1e-5)


def test_persistence_is_the_error_of_the_last_value():
    task, batch = Forecast(), drawn(Forecast(), 32, 20_000)
    error = (batch.source - batch.target).square().mean()
    assert error.item() == pytest.approx(task.persistence(32), rel=0.02)


def test_impossible_settings_are_refused():
    for fields in ({"sines": 0}, {"cycles": 0.0}, {"noise": 0.0}):
        with pytest.raises(UserError):
            Forecast(**fields)
    with pytest.raises(UserError, match="at least 1, not 0"):
        drawn(Forecast(), 0)
