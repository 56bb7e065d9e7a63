"""Averages, intervals and horizons against closed forms, SciPy and full enumeration."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from lagbench.report.statistics import (
    Censored,
    censored,
    horizon,
    horizon_interval,
    interval,
    iqm,
    median_steps,
)


@pytest.mark.parametrize("count", range(1, 14))
def test_centre_is_the_trimmed_mean(count: int) -> None:
    values = np.random.default_rng(count).normal(size=(5, count))
    np.testing.assert_allclose(iqm(values), stats.trim_mean(values, 0.25, axis=-1), rtol=1e-14)
    np.testing.assert_array_equal(iqm(values.T, axis=0), iqm(values))


def test_centre_by_hand() -> None:
    assert iqm([3.0, 1.0, 8.0]) == 4.0  # below four values: the mean
    assert iqm([0.0, 2.0, 4.0, 100.0]) == 3.0
    assert iqm([0.1, 0.1, 0.1]) == 0.1  # where the sum rounds to more than three times 0.1


def test_interval_of_two_and_of_three_values_is_their_range() -> None:
    assert interval([0.2, 0.9]) == (0.2, 0.9)
    assert interval([0.9, 0.2, 0.5]) == (0.2, 0.9)


def test_interval_of_equal_values_has_no_width() -> None:
    assert interval([0.1, 0.1, 0.1]) == (0.1, 0.1)


@pytest.mark.parametrize("values", [[], [0.4]])
def test_no_interval_for_fewer_than_two_values(values: list[float]) -> None:
    assert np.isnan(interval(values)).all()


def test_interval_agrees_with_all_resamples() -> None:
    values = np.array([0.0, 0.1, 0.5, 0.6, 1.0])
    everything = iqm(np.array(list(product(values, repeat=5))))
    exact = np.percentile(everything, [2.5, 97.5])
    np.testing.assert_allclose(interval(values), exact, atol=0.04)


def test_interval_repeats_to_the_last_bit() -> None:
    values = np.random.default_rng(0).normal(size=7)
    assert interval(values) == interval(values)


@pytest.mark.parametrize(
    ("lengths", "scores", "expected", "result"),
    [
        ([16, 64], [0.75, 0.25], 32.0, Censored.NO),  # halfway in log length
        ([16, 64], [1.0, 0.25], 16 * 4 ** (2 / 3), Censored.NO),
        ([16, 64, 256], [0.9, 0.5, 0.4], 64.0, Censored.NO),  # 0.5 still holds
        ([16, 64, 256], [0.9, 0.1, 0.9], 16 * 4**0.5, Censored.NO),  # it forgot before
        ([10, 100], [0.9, 0.6], 100.0, Censored.AT_LEAST),
        ([10, 100], [0.4, 0.9], 10.0, Censored.BELOW),
        ([100], [0.7], 100.0, Censored.AT_LEAST),
        ([100], [-3.0], 100.0, Censored.BELOW),
    ],
)
def test_horizon(
    lengths: list[int], scores: list[float], expected: float, result: Censored
) -> None:
    assert horizon(lengths, scores) == pytest.approx(expected, rel=1e-12)
    assert censored(scores) is result


def test_horizons_of_many_at_once() -> None:
    scores = [[[1.0, 0.0], [0.0, 0.0]], [[1.0, 1.0], [0.75, 0.25]]]
    np.testing.assert_allclose(horizon([16, 64], scores), [[32.0, 16.0], [64.0, 32.0]])


@given(st.lists(st.floats(-1, 1), min_size=4, max_size=4), st.integers(0, 3), st.floats(0, 1))
def test_a_better_score_never_shortens_the_horizon(
    scores: list[float], position: int, gain: float
) -> None:
    lengths = [16, 32, 64, 100]
    better = [score + gain * (index == position) for index, score in enumerate(scores)]
    before, after = horizon(lengths, scores), horizon(lengths, better)
    assert 16 <= before <= after * (1 + 1e-12) <= 100 * (1 + 1e-12)


def test_horizon_interval_of_equal_seeds_has_no_width() -> None:
    low, high = horizon_interval([16, 64], [[0.75] * 3, [0.25] * 3])
    assert low == high == pytest.approx(32.0)


def test_horizon_interval_spans_what_two_seeds_give() -> None:
    # At 64 the resampled mean is 0, 0.25 or 0.5; from 1 at 16 that crosses at 32, 41 and 64.
    low, high = horizon_interval([16, 64], [[1.0, 1.0], [0.0, 0.5]])
    assert (low, high) == pytest.approx((32.0, 64.0))


def test_no_horizon_interval_where_a_length_has_one_seed() -> None:
    assert np.isnan(horizon_interval([16, 64], [[0.9, 0.8], [0.1]])).all()


def test_half_time_counts_the_unsolved_as_later_than_any() -> None:
    never = float("nan")
    assert median_steps([300, 100, 200]) == 200
    assert median_steps([100, never]) == 100
    assert median_steps([400, never, 200, never]) == 400
    assert np.isnan(median_steps([never, 100, never]))
    assert np.isnan(median_steps([]))
