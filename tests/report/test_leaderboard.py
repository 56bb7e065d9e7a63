"""The leaderboard: its order, its numbers, and what of it a program reads."""

import json
from typing import Any

import pytest

from lagbench.record import Record, Status
from lagbench.report.leaderboard import leaderboard, row_to_dict
from lagbench.report.tables import derive


def test_the_leaderboard_begins_with_who_reaches_furthest(grid: list[Record]) -> None:
    board = leaderboard(derive(grid, []))
    assert [row.architecture for row in board.rows] == ["transformer", "lstm", "rnn"]
    assert set(board.rows[0].horizons) == {"adding", "recall"}


def test_a_task_without_a_horizon_counts_as_the_shortest_length(record: Any) -> None:
    both = [("easy", 16), ("easy", 64), ("hard", 16), ("hard", 64)]
    records = [
        *(record(architecture="a", task="easy", length=length, score=1.0) for length in (16, 64)),
        record(architecture="a", task="hard", length=16, status=Status.FAILED, selected=False),
        *(record(architecture="b", task=task, length=length, score=0.6) for task, length in both),
    ]
    board = leaderboard(derive(records, []))
    assert [row.architecture for row in board.rows] == ["b", "a"]
    assert set(board.rows[1].horizons) == {"easy"}


def test_among_equals_the_mean_score_decides(record: Any) -> None:
    records = [record(architecture=name, score=score) for name, score in (("a", 0.6), ("b", 0.9))]
    board = leaderboard(derive(records, []))
    assert [row.architecture for row in board.rows] == ["b", "a"]


def test_its_numbers_are_those_of_the_tables(grid: list[Record], throughput: Any) -> None:
    names = ("rnn", "lstm", "transformer")
    speeds = [
        throughput(architecture=name, task=task, length=128, train_relative=4.0**power)
        for name in names
        for task, power in (("adding", 0), ("recall", 1))
    ]
    tables = derive(grid, speeds)
    board = leaderboard(tables)
    assert board.tasks == {"adding": 128, "recall": 128}
    assert "train_relative" in [column.name for column in board.columns]
    rows = {(row.architecture, row.task, row.length): row for row in tables.summary.itertuples()}
    for row in board.rows:
        (speed,) = row.overall["train_relative"]
        assert speed == pytest.approx(2.0)  # the geometric mean of 1 and 4
        assert list(row.overall["parameters"]) == [20000, 20000]
        for task, scored in row.scores.items():
            summary = rows[row.architecture, task, 128]
            assert (scored.score, scored.score_low) == (summary.score, summary.score_low)
        (rank,) = tables.ranks[tables.ranks["architecture"] == row.architecture].itertuples()
        assert row.rank.rank == rank.rank
        assert row_to_dict(row)["critical_difference"] == rank.critical_difference


def test_parameters_are_a_range(record: Any) -> None:
    records = [record(length=16, score=1.0), record(length=32, score=1.0, parameters=20100)]
    (row,) = leaderboard(derive(records, [])).rows
    assert row.overall["parameters"] == (20000, 20100)


def test_what_was_not_measured_is_left_out(record: Any) -> None:
    board = leaderboard(derive([record(score=0.9), record(length=32, status="failed")], []))
    assert [column.name for column in board.columns] == ["parameters"]
    assert board.ranked is None  # there is nobody to rank it against
    result = json.loads(json.dumps(row_to_dict(board.rows[0]), allow_nan=False))
    assert result["training_speed"] is None
    assert result["tasks"]["recall"] == {
        "length": 16, "score": 0.9, "score_low": None, "score_high": None, "seeds": 1,
        "horizon": 16.0, "horizon_low": None, "horizon_high": None, "censored": "at least",
    }  # fmt: skip


def test_nobody_without_a_score_stands_in_it(record: Any) -> None:
    board = leaderboard(derive([record(status="diverged", selected=False)], []))
    assert (board.tasks, board.rows) == ({}, [])
