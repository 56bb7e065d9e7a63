"""What a page shows of the tables: order, groups and limits."""

from typing import Any

import pytest

from lagbench.record import Record, Status
from lagbench.report import sections, series
from lagbench.report.tables import derive


def test_scores_stand_by_task_and_length_the_best_first(grid: list[Record], record: Any) -> None:
    refused = record(architecture="z", status=Status.UNSUPPORTED, selected=False, reason="no")
    adding, recall = sections.scores(derive([*grid, refused], []).summary)
    assert (adding.task, recall.task) == ("adding", "recall")
    assert [rows[0].length for rows in recall.lengths] == [16, 32, 64, 128]
    order = [row.architecture for row in recall.lengths[2]]
    assert order == ["transformer", "lstm", "rnn"]


def test_accuracy_has_a_column_beside_another_metric_alone(record: Any) -> None:
    records = [
        record(task="a", score=0.5, accuracy=0.5),
        record(task="b", score=0.5, accuracy=0.5, metric="bits"),
        record(task="c", score=0.5, metric="mse"),
    ]
    found = sections.scores(derive(records, []).summary)
    assert [each.has_accuracy for each in found] == [False, True, False]


def test_too_many_scores_leave_the_longest_lengths(
    grid: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(series, "MAX_LINES", 23)  # there are 24
    for task in sections.scores(derive(grid, []).summary):
        assert [[row.length for row in rows] for rows in task.lengths] == [[128] * 3]


def test_endings(record: Any) -> None:
    statuses = [Status.OK, Status.OK, Status.OUT_OF_MEMORY, Status.DIVERGED]
    records = [record(seed=seed, status=status) for seed, status in enumerate(statuses)]
    (row,) = derive(records, []).summary.itertuples(index=False)
    assert sections.endings(row) == "2 of 4: 1 diverged, 1 out of memory"
    (row,) = derive(records[:2], []).summary.itertuples(index=False)
    assert sections.endings(row) == "2"


def test_equal_refusals_and_failures_share_a_row(record: Any) -> None:
    refused = [
        record(length=length, status=Status.UNSUPPORTED, selected=False, reason="it looks ahead")
        for length in (128, 16, 32)
    ]
    failed = [
        record(seed=seed, learning_rate=rate, status=Status.DIVERGED, selected=False, reason="NaN")
        for seed in (0, 1)
        for rate in (0.1, 0.03)
    ]
    silent = record(seed=5, status=Status.TIMEOUT, selected=False)
    found = derive([*refused, *failed, silent], [])
    (refusal,) = sections.unsupported(found).itertuples()
    assert (refusal.length, refusal.reason) == ("16, 32, 128", "it looks ahead")
    diverged, timeout = sections.failures(found).itertuples()
    assert (diverged.trials, diverged.seed, diverged.learning_rate) == (4, "0, 1", "0.03, 0.1")
    assert (timeout.status, timeout.reason) == ("timeout", "–")


def test_settings_show_every_value_that_occurred(record: Any) -> None:
    records = [
        record(recipe={"steps": 800, "clip": None}),
        record(recipe={"steps": 400, "clip": None}),
        record(recipe={"steps": 800, "clip": None}),
    ]
    assert sections.settings(records, "recipe") == {"clip": "None", "steps": "800 or 400"}


def test_differences_name_the_better_one_first_and_the_settled_before_the_others(
    record: Any,
) -> None:
    seeds = range(8)
    means = {"a": 0.2, "b": 0.8, "c": 0.81}
    records = [
        record(architecture=name, seed=seed, score=mean + 0.03 * ((seed * 7 + place) % 5))
        for place, (name, mean) in enumerate(means.items())
        for seed in seeds
    ]
    found = sections.differences(derive(records, []).comparisons)
    pairs = [(one.better, one.worse, one.settled) for one in found]
    assert set(pairs[:2]) == {("b", "a", True), ("c", "a", True)}
    assert pairs[2][2] is False
    for one in found:
        assert one.low <= one.difference <= one.high
        assert one.wins >= 0.5
        assert (one.task, one.over, one.seeds) == ("recall", "16", 8)


def test_differences_are_over_all_lengths_where_there_are_several(grid: list[Record]) -> None:
    found = sections.differences(derive(grid, []).comparisons)
    assert len(found) == 2 * 3  # tasks × pairs
    assert {one.over for one in found} == {"4 lengths"}
    assert sections.differences(derive([], []).comparisons) == []
