"""The tables of synthetic records against values worked out by hand."""

import json
import math
import random
from io import StringIO
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from lagbench.record import Record, Status, Throughput
from lagbench.report import columns, tables
from lagbench.report.tables import derive, write_tables

NAMES = [
    *("trials", "curves", "probes", "summary", "horizons"),
    *("comparisons", "ranks", "lr_windows", "progress", "equal_cost", "unsupported"),
]


def only(frame: pd.DataFrame, **where: Any) -> pd.Series:
    for column, value in where.items():
        frame = frame[frame[column] == value]
    assert len(frame) == 1
    return frame.iloc[0]


@pytest.fixture
def trio(record: Any) -> list[Record]:
    """Three seeds at a selected rate, one of which did not solve the task, and an idle rate."""
    result = [
        record(seed=0, score=0.9, test_metric=0.91, accuracy=0.91, steps_to_solve=300),
        record(seed=1, score=0.6, test_metric=0.65, accuracy=0.65),
        record(seed=2, score=0.9, test_metric=0.93, accuracy=0.93, steps_to_solve=100),
    ]
    idle = [record(seed=seed, learning_rate=0.1, selected=False) for seed in range(2)]
    reason = "the loss became NaN"
    diverged = record(
        seed=2, learning_rate=0.1, selected=False, status=Status.DIVERGED, reason=reason
    )
    return [*result, *idle, diverged]


def test_summary_by_hand(trio: list[Record], throughput: Any) -> None:
    row = only(derive(trio, [throughput(train_relative=0.5)]).summary)
    assert row["score"] == pytest.approx(0.8)
    assert (row["score_low"], row["score_high"]) == (0.6, 0.9)
    assert row["accuracy"] == row["test_metric"] == pytest.approx(0.83)
    assert (row["seeds"], row["solved"], row["steps_to_solve"]) == (3, 2, 300)
    assert (row["learning_rate"], row["chance"], row["metric"]) == (0.01, 0.125, "accuracy")
    assert (row["parameters"], row["width"]) == (20000, 64)
    assert (row["train_relative"], row["train_tokens_per_second"]) == (0.5, 1000.0)
    assert (row["ok"], row["diverged"], row["failed"]) == (5, 1, 0)


def test_summary_of_four_seeds_is_the_interquartile_mean(record: Any) -> None:
    records = [record(seed=seed, score=score) for seed, score in enumerate([0.0, 0.5, 0.7, 1.0])]
    assert only(derive(records, []).summary)["score"] == pytest.approx(0.6)


def test_one_seed_has_no_interval(record: Any) -> None:
    row = only(derive([record(score=0.7)], []).summary)
    assert (row["seeds"], row["score"]) == (1, 0.7)
    assert math.isnan(row["score_low"])
    assert math.isnan(row["score_high"])


def test_a_selected_trial_without_a_score_is_no_seed(record: Any) -> None:
    diverged = record(seed=1, status=Status.DIVERGED, reason="the loss became NaN")
    row = only(derive([record(score=0.7), diverged], []).summary)
    assert (row["seeds"], row["score"], row["ok"], row["diverged"]) == (1, 0.7, 1, 1)


def test_all_failed(record: Any) -> None:
    records = [
        record(seed=seed, status=Status.FAILED, selected=False, reason="it broke")
        for seed in range(3)
    ]
    result = derive(records, [])
    row = only(result.summary)
    assert (row["seeds"], row["failed"], row["ok"]) == (0, 3, 0)
    assert math.isnan(row["score"])
    assert row["chance"] == 0.125
    assert result.horizons.empty
    assert result.unsupported.empty


def test_empty_tables_have_the_columns_and_types_of_full_ones(grid: list[Record]) -> None:
    empty, full = derive([], []), derive(grid, [])
    for name in NAMES:
        assert getattr(empty, name).empty
        pd.testing.assert_series_equal(getattr(empty, name).dtypes, getattr(full, name).dtypes)


def test_trials_carry_the_speed_of_their_cell(record: Any, throughput: Any) -> None:
    records = [record(length=16), record(length=32)]
    rows = derive(records, [throughput(train_tokens_per_second=7.0)]).trials
    assert only(rows, length=16)["train_tokens_per_second"] == 7.0
    assert math.isnan(only(rows, length=32)["train_tokens_per_second"])
    assert list(rows.columns) == [column.name for column in columns.trial_columns()]


def test_two_speeds_of_one_cell_are_an_error(record: Any, throughput: Any) -> None:
    with pytest.raises(pd.errors.MergeError):
        derive([record()], [throughput(), throughput(batch=8)])


def test_horizon_by_hand(record: Any) -> None:
    scores = {16: (0.8, 0.7), 64: (0.3, 0.2)}  # means 0.75 and 0.25
    records = [
        record(length=length, seed=seed, score=score)
        for length, both in scores.items()
        for seed, score in enumerate(both)
    ]
    row = only(derive(records, []).horizons)
    assert row["horizon"] == pytest.approx(32.0)
    assert row["low"] < 32.0 < row["high"]
    assert (row["censored"], row["seeds"], row["shortest"], row["longest"]) == ("no", 2, 16, 64)


def test_a_length_without_a_score_ends_what_is_known(record: Any) -> None:
    records = [
        record(length=16, score=0.9),
        record(length=32, score=0.8),
        record(length=64, status=Status.TIMEOUT, selected=False, reason="out of time"),
        record(length=128, score=0.1),
    ]
    row = only(derive(records, []).horizons)
    assert (row["horizon"], row["censored"], row["longest"]) == (32.0, "at least", 32)


def test_an_unsupported_length_is_left_out_of_the_horizon(record: Any) -> None:
    records = [
        record(length=16, score=0.75),
        record(length=32, status=Status.UNSUPPORTED, selected=False, reason="even lengths alone"),
        record(length=64, score=0.25),
    ]
    result = derive(records, [])
    assert only(result.horizons)["horizon"] == pytest.approx(32.0)
    assert only(result.unsupported).to_dict() == {
        "architecture": "lstm",
        "task": "recall",
        "length": 32,
        "reason": "even lengths alone",
    }


def test_curves_of_all_trials_and_probes_of_the_selected(grid: list[Record]) -> None:
    result = derive(grid, [])
    assert len(result.curves) == sum(len(record.curve) for record in grid)
    assert list(result.curves.columns) == tables.CURVES
    selected = [record for record in grid if record.selected]
    assert len(result.probes) == sum(len(record.probes) for record in selected)
    assert set(result.probes["trial"]) == {record.trial for record in selected}


def test_the_same_records_give_the_same_bytes_in_any_order(
    grid: list[Record], throughput: Any, tmp_path: Path
) -> None:
    speeds: list[Throughput] = [throughput(length=length) for length in (16, 32)]
    shuffled = random.Random(0).sample(grid, len(grid))
    written = []
    for name, records in (("one", grid), ("two", shuffled)):
        (tmp_path / name).mkdir()
        paths = write_tables(tmp_path / name, derive(records, speeds))
        written.append({path.name: path.read_bytes() for path in paths})
    assert written[0] == written[1]
    assert set(written[0]) == {f"{name}.csv" for name in NAMES}


def test_floats_read_back_to_the_same_number(record: Any, tmp_path: Path) -> None:
    write_tables(tmp_path, derive([record(score=0.1 + 0.2)], []))
    text = (tmp_path / "trials.csv").read_text()
    assert pd.read_csv(StringIO(text), float_precision="round_trip")["score"][0] == 0.1 + 0.2


def test_what_has_parts_reads_back_as_json(record: Any, tmp_path: Path) -> None:
    first = record(task_fields={"cue": "first", "noise": None}, deep_probes=("influence",))
    write_tables(tmp_path, derive([first], []))
    (row,) = pd.read_csv(tmp_path / "trials.csv").to_dict("records")
    assert json.loads(row["task_fields"]) == {"cue": "first", "noise": None}
    assert json.loads(row["recipe"]) == first.recipe
    assert json.loads(row["deep_probes"]) == ["influence"]
