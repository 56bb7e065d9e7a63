"""What a page shows of the tables: order, groups and limits."""

from pathlib import Path
from typing import Any

import pytest

from lagbench.record import Record, Run, Status
from lagbench.report import columns, sections, series
from lagbench.report.changes import settings
from lagbench.report.comparisons import differences
from lagbench.report.page import write_report
from lagbench.report.sections import Report, Section, Table, Text
from lagbench.report.tables import derive


def score_tables(run: Run, records: list[Record]) -> list[Table]:
    """The tables of scores, without the text before them."""
    report = Report(run, records, derive(records, []), [])
    return [block for block in sections.scores(report) if isinstance(block, Table)]


def shown(table: Table, label: str) -> list[list[str]]:
    """The texts below a header, by group of rows."""
    position = [header.label for header in table.headers].index(label)
    return [[row.cells[position][0] for row in rows] for rows in table.groups]


def test_scores_stand_by_task_and_length_the_best_first(
    run: Run, grid: list[Record], record: Any
) -> None:
    unsupported = record(architecture="z", status=Status.UNSUPPORTED, selected=False, reason="no")
    adding, recall = score_tables(run, [*grid, unsupported])
    assert (adding.task, recall.task) == ("adding", "recall")
    assert [rows[0] for rows in shown(recall, "length")] == ["16", "32", "64", "128"]
    assert shown(recall, "architecture")[2] == ["transformer", "lstm", "rnn"]
    assert all("z" not in rows for rows in shown(recall, "architecture"))


def test_accuracy_has_a_column_beside_another_metric_alone(run: Run, record: Any) -> None:
    records = [
        record(task="a", score=0.5, accuracy=0.5),
        record(task="b", score=0.5, accuracy=0.5, metric="bits"),
        record(task="c", score=0.5, metric="mse"),
    ]
    labels = [{header.label for header in t.headers} for t in score_tables(run, records)]
    named = [subset & {"accuracy", "bits", "mse"} for subset in labels]
    assert named == [{"accuracy"}, {"accuracy", "bits"}, {"mse"}]


def test_too_many_scores_leave_the_longest_lengths(
    run: Run, grid: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(series, "MAX_LINES", 23)  # there are 24
    for table in score_tables(run, grid):
        assert shown(table, "length") == [["128"] * 3]


def test_an_added_section_is_on_both_pages_where_it_is_shown(
    tmp_path: Path, run: Run, grid: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    def blocks(report: Report) -> list[Text]:
        return [Text(f"{len(report.records)} trials *")]

    added = Section("extra", "An extra section", blocks, "How to read it.")
    hidden = Section("none", "A hidden one", added.blocks, shown=lambda _: False)
    monkeypatch.setattr(sections, "SECTIONS", (*sections.SECTIONS, added, hidden))
    write_report(tmp_path, run, grid, [])
    html, markdown = ((tmp_path / f"report.{kind}").read_text() for kind in ("html", "md"))
    assert '<a href="#extra">An extra section</a>' in html
    for page in (html, markdown):
        assert page.index("How it was run") < page.rindex("An extra section")
        assert page.index("How to read it.") < page.rindex(f"{len(grid)} trials ")
        assert "A hidden one" not in page
    assert f"{len(grid)} trials \\*" in markdown


def test_an_added_column_is_on_both_pages(
    tmp_path: Path, run: Run, grid: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    added = columns.Column(
        "step_count", lambda record: record.steps, aggregate="max", label="all steps",
        format=lambda value: f"{value:.0f} in all",
        overall=columns.Overall("most steps", "range", lambda value: f"{value:.0f} at most"),
    )  # fmt: skip
    monkeypatch.setattr(columns, "COLUMNS", (*columns.COLUMNS, added))
    write_report(tmp_path, run, grid, [])
    for name in ("report.html", "report.md"):
        page = (tmp_path / name).read_text()
        assert page.count("all steps") == 2  # tasks
        assert page.count("800 in all") == 24  # cells
        assert page.count("most steps") == 1
        assert page.count("800 at most") == 3  # architectures
    for name in ("trials.csv", "summary.csv"):
        assert "step_count" in (tmp_path / name).read_text().splitlines()[0]


def test_endings(record: Any) -> None:
    statuses = [Status.OK, Status.OK, Status.OUT_OF_MEMORY, Status.DIVERGED]
    records = [record(seed=seed, status=status) for seed, status in enumerate(statuses)]
    (row,) = derive(records, []).summary.itertuples(index=False)
    assert columns.status_counts(row) == "2 of 4: 1 diverged, 1 out of memory"
    (row,) = derive(records[:2], []).summary.itertuples(index=False)
    assert columns.status_counts(row) == "2"


def test_equal_unsupported_pairs_and_failures_share_a_row(record: Any) -> None:
    unsupported = [
        record(length=length, status=Status.UNSUPPORTED, selected=False, reason="it looks ahead")
        for length in (128, 16, 32)
    ]
    failed = [
        record(seed=seed, learning_rate=rate, status=Status.DIVERGED, selected=False, reason="NaN")
        for seed in (0, 1)
        for rate in (0.1, 0.03)
    ]
    silent = record(seed=5, status=Status.TIMEOUT, selected=False)
    result = derive([*unsupported, *failed, silent], [])
    (pair,) = sections.unsupported_pairs(result).itertuples()
    assert (pair.length, pair.reason) == ("16, 32, 128", "it looks ahead")
    diverged, timeout = sections.failures(result).itertuples()
    assert (diverged.trials, diverged.seed, diverged.learning_rate) == (4, "0, 1", "0.03, 0.1")
    assert (timeout.status, timeout.reason) == ("timeout", "–")


def test_settings_show_every_value_that_occurred(record: Any) -> None:
    records = [
        record(recipe={"steps": 800, "clip": None}),
        record(recipe={"steps": 400, "clip": None}),
        record(recipe={"steps": 800, "clip": None}),
    ]
    assert settings(records, "recipe") == {"clip": "None", "steps": "800 or 400"}


def test_differences_name_the_better_one_first_and_the_settled_before_the_others(
    record: Any,
) -> None:
    seeds = range(8)
    means = {"a": 0.2, "b": 0.8, "c": 0.81}
    records = [
        record(architecture=name, seed=seed, score=mean + 0.03 * ((seed * 7 + position) % 5))
        for position, (name, mean) in enumerate(means.items())
        for seed in seeds
    ]
    result = differences(derive(records, []).comparisons)
    pairs = [(first.better, first.worse, first.settled) for first in result]
    assert set(pairs[:2]) == {("b", "a", True), ("c", "a", True)}
    assert pairs[2][2] is False
    for first in result:
        assert first.low <= first.difference <= first.high
        assert first.wins >= 0.5
        assert (first.task, first.over, first.seeds) == ("recall", "16", 8)


def test_differences_are_over_all_lengths_where_there_are_several(grid: list[Record]) -> None:
    result = differences(derive(grid, []).comparisons)
    assert len(result) == 2 * 3  # tasks × pairs
    assert {first.over for first in result} == {"4 lengths"}
    assert differences(derive([], []).comparisons) == []
