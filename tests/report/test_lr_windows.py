"""Windows of learning rates by hand."""

import math
from typing import Any

import pytest

from lagbench.record import Status
from lagbench.report.lr_windows import lr_windows
from lagbench.report.tables import trials


@pytest.fixture
def window(record: Any) -> Any:
    """The row of rates with these mean validation scores, over two seeds; the best is selected."""

    def make(scores: Any, diverged: Any = ()) -> Any:
        best = max(scores, key=lambda rate: (rate not in diverged, scores[rate]))
        records = [
            record(
                learning_rate=rate, seed=seed, selected=rate == best,
                validation_score=scores[rate] + spread, score=0.5 if rate == best else None,
                status=Status.DIVERGED if seed and rate in diverged else Status.OK,
            )
            for rate in scores
            for seed, spread in enumerate((-0.01, 0.01))
        ]  # fmt: skip
        result = lr_windows(trials(records, []))
        assert len(result) == 1
        return result.iloc[0]

    return make


def test_a_window_in_the_middle(window: Any) -> None:
    row = window({1e-4: 0.2, 1e-3: 0.93, 1e-2: 1.0, 1e-1: 0.5})
    assert (row["rates"], row["best_rate"], row["best"]) == (4, 1e-2, pytest.approx(1.0))
    assert row["interquartile_mean"] == pytest.approx((0.93 + 0.5) / 2)
    assert (row["window_low"], row["window_high"]) == (1e-3, 1e-2)
    assert row["window"] == pytest.approx(1)
    assert (row["edge"], row["censored"]) == ("no", "no")


def test_a_good_rate_beyond_a_bad_one_is_outside(window: Any) -> None:
    row = window({1e-4: 0.95, 1e-3: 0.2, 1e-2: 1.0, 1e-1: 0.1})
    assert (row["window_low"], row["window_high"], row["window"]) == (1e-2, 1e-2, 0)
    assert row["censored"] == "no"


@pytest.mark.parametrize(
    ("scores", "edge"),
    [
        ({1e-3: 1.0, 1e-2: 0.3}, "low"),
        ({1e-3: 0.3, 1e-2: 1.0}, "high"),
        ({1e-3: 1.0}, "only"),
        ({1e-3: 0.95, 1e-2: 1.0, 1e-1: 0.1}, "no"),
    ],
)
def test_a_window_that_reaches_the_first_or_last_rate_is_at_least_so_wide(
    window: Any, scores: Any, edge: Any
) -> None:
    row = window(scores)
    assert (row["edge"], row["censored"]) == (edge, "at least")


def test_a_rate_at_which_a_seed_diverged_is_not_good(window: Any) -> None:
    row = window({1e-3: 0.3, 1e-2: 1.0, 1e-1: 1.0, 1.0: 0.1}, diverged={1e-1, 1.0})
    assert (row["window_low"], row["window_high"]) == (1e-2, 1e-2)


def test_where_nothing_is_learned_there_is_no_window(window: Any) -> None:
    row = window({1e-3: -0.2, 1e-2: 0.02, 1e-1: -0.5})
    assert math.isnan(row["window"])
    assert (row["best_rate"], row["edge"]) == (1e-2, "no")
    assert row.isna()["censored"]


def test_what_was_not_trained_has_no_row(record: Any) -> None:
    assert lr_windows(trials([record(status=Status.UNSUPPORTED, selected=False)], [])).empty


def test_where_seeds_tuned_the_rate_theirs_are_the_scores_that_count(record: Any) -> None:
    tuning = [
        record(learning_rate=rate, seed=7, tuning=True, selected=False, validation_score=score)
        for rate, score in ((1e-3, 0.2), (1e-2, 0.8), (1e-1, 0.78))
    ]
    fresh = [record(seed=seed, validation_score=0.5, score=0.4) for seed in range(3)]
    row = lr_windows(trials([*tuning, *fresh], [])).iloc[0]
    assert (row["rates"], row["best_rate"], row["best"]) == (3, 1e-2, 0.8)
    assert (row["window_low"], row["window_high"]) == (1e-2, 1e-1)
