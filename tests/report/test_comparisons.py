"""Who is compared with whom, on what they share."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from lagbench.record import Record, Status
from lagbench.report.comparisons import COLUMNS, Better, comparisons
from lagbench.report.tables import trials


def compared(records: list[Record]) -> pd.DataFrame:
    return comparisons(trials(records, []))


def runs(record: Any, architecture: str, scores: Sequence[float], **more: Any) -> list[Record]:
    return [
        record(architecture=architecture, seed=seed, score=score, **more)
        for seed, score in enumerate(scores)
    ]


def test_ten_seeds_decide(record: Any) -> None:
    noise = np.random.default_rng(0).normal(0, 0.01, 10)
    records = runs(record, "gru", list(0.8 + noise)) + runs(record, "rnn", list(0.3 - noise))
    row = compared(records).iloc[0]
    assert (row["architecture_a"], row["architecture_b"], row["length"]) == ("gru", "rnn", 16)
    assert (row["lengths"], row["seeds"], row["verdict"]) == (1, 10, "a")
    assert row["difference"] == pytest.approx(np.mean(0.5 + 2 * noise))
    assert row["low"] < row["difference"] < row["high"]
    assert row["p"] == row["p_holm"] == 2 / 2**10
    assert 0 < row["minimum_detectable"] < row["difference"]


SIMULATED = 200
TOLERATED = stats.binom.ppf(1 - 1 / 400, SIMULATED, 0.05)  # 20: 5%, and its binomial tolerance


def simulated(record: Any, ahead: float) -> pd.DataFrame:
    """200 comparisons of two names for one architecture, one of them planted `ahead`.

    Each is a length of its own, so that all are made as a report makes them, at ten seeds.
    """
    random = np.random.default_rng(0)
    result = compared([
        first
        for comparison in range(SIMULATED)
        for name, shift in (("lstm", 0), ("lstm_again", ahead))
        for scores in [list(random.normal(0.5 + shift, 0.1, 10))]
        for first in runs(record, name, scores, length=comparison + 2)
    ])  # fmt: skip
    return result[result["length"].notna()]


def test_one_architecture_under_two_names_is_declared_different_in_one_of_twenty(
    record: Any,
) -> None:
    result = simulated(record, ahead=0)
    assert len(result) == SIMULATED
    assert result["verdict"].isin([Better.A, Better.B]).sum() <= TOLERATED


def test_two_pooled_standard_deviations_are_declared(record: Any) -> None:
    result = simulated(record, ahead=0.2)
    assert (result["verdict"] == Better.B).mean() >= 0.8
    assert not (result["verdict"] == Better.A).any()


def test_the_verdict_names_the_better_side(record: Any) -> None:
    records = runs(record, "gru", [0.1] * 6) + runs(record, "rnn", [0.2] * 6)
    assert compared(records)["verdict"].tolist() == [Better.B]


def test_three_seeds_decide_nothing_at_one_length_and_something_over_four(record: Any) -> None:
    records = [
        first
        for length in (16, 32, 64, 128)
        for name, score in (("gru", 0.9), ("lstm", 0.9), ("rnn", 0.2))
        for first in runs(record, name, [score, score - 0.01, score + 0.01], length=length)
    ]
    result = compared(records)
    single, together = result[result["length"].notna()], result[result["length"].isna()]
    assert set(single["verdict"]) == {Better.UNDECIDED}
    assert np.isinf(single["minimum_detectable"]).all()
    assert together["verdict"].tolist() == [Better.UNDECIDED, Better.A, Better.A]
    assert together["p_holm"].tolist() == [1, *[3 * 2 / 2**12] * 2]
    assert set(together["lengths"]) == {4}
    assert set(together["seeds"]) == {3}


def test_one_seed_gives_no_interval_and_says_so(record: Any) -> None:
    records = runs(record, "gru", [0.9]) + runs(record, "rnn", [0.1])
    row = compared(records).iloc[0]
    assert (row["seeds"], row["verdict"]) == (1, Better.NO_INTERVAL)
    assert row["difference"] == pytest.approx(0.8)
    for column in ("low", "high", "p", "p_holm", "minimum_detectable"):
        assert math.isnan(row[column])


def test_those_with_one_seed_do_not_weigh_on_the_family(record: Any) -> None:
    records = runs(record, "gru", [0.9] * 6) + runs(record, "rnn", [0.1] * 6)
    result = compared(records + runs(record, "lstm", [0.5]))
    assert result["verdict"].tolist() == [Better.NO_INTERVAL, Better.A, Better.NO_INTERVAL]
    assert result["p_holm"].dropna().tolist() == [2 / 2**6]


def test_identical_scores_have_no_width_and_no_nan(record: Any) -> None:
    records = runs(record, "gru", [0.1] * 3) + runs(record, "rnn", [0.1] * 3)
    row = compared(records).iloc[0]
    assert (row["difference"], row["low"], row["high"], row["p_holm"]) == (0, 0, 0, 1)
    assert (row["probability_of_improvement"], row["verdict"]) == (0.5, Better.UNDECIDED)


def test_only_seeds_that_both_have_are_compared(record: Any) -> None:
    gru = runs(record, "gru", [0.9, 0.8, 0.7])
    failed = record(architecture="rnn", seed=1, status=Status.FAILED, selected=False, reason="no")
    rnn = [record(architecture="rnn", seed=seed, score=0.2) for seed in (0, 2, 7)]
    row = compared([*gru, *rnn, failed]).iloc[0]
    assert row["seeds"] == 2
    assert row["difference"] == pytest.approx((0.7 + 0.5) / 2)


def test_a_length_that_one_of_them_does_not_support_is_left_out(record: Any) -> None:
    gru = [first for length in (16, 32) for first in runs(record, "gru", [0.9, 0.8], length=length)]
    rnn = runs(record, "rnn", [0.2, 0.1], length=16)
    unsupported = record(architecture="rnn", length=32, status=Status.UNSUPPORTED, selected=False)
    result = compared([*gru, *rnn, unsupported])
    assert result["length"].tolist() == [16]


def test_rates_that_were_not_selected_are_not_compared(record: Any) -> None:
    gru = runs(record, "gru", [0.9, 0.8])
    idle = runs(record, "gru", [0.0, 0.0], learning_rate=0.1, selected=False)
    result = compared([*gru, *idle, *runs(record, "rnn", [0.2, 0.1])])
    assert result["difference"].tolist() == pytest.approx([0.7])


def test_one_architecture_is_compared_with_none(record: Any) -> None:
    result = compared(runs(record, "gru", [0.9, 0.8]))
    assert result.empty
    assert list(result.columns) == COLUMNS
