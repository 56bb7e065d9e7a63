"""A column is declared once: what is declared is in the files, on the pages and in the terminal."""

from typing import Any

import pandas as pd
import pytest

from lagbench.record import Record
from lagbench.report import columns, wording
from lagbench.report.columns import Column, Overall
from lagbench.report.tables import derive


def doubled(record: Record) -> float | None:
    return None if record.score is None else 2 * record.score


EXTRA = Column(
    "doubled_score", doubled, aggregate="mean", interval=True, label="doubled score",
    format=wording.number, terminal=True,
    overall=Overall("doubled overall", "range", wording.number),
)  # fmt: skip


@pytest.fixture
def extra(monkeypatch: pytest.MonkeyPatch) -> Column:
    monkeypatch.setattr(columns, "COLUMNS", (*columns.COLUMNS, EXTRA))
    return EXTRA


def test_an_added_column_is_in_both_files_with_its_interval(extra: Column, record: Any) -> None:
    scores = (0.2, 0.3, 0.4)
    tables = derive([record(seed=seed, score=score) for seed, score in enumerate(scores)], [])
    assert tables.trials["doubled_score"].tolist() == [0.4, 0.6, 0.8]
    (row,) = tables.summary.itertuples()
    assert row.doubled_score == pytest.approx(0.6)
    assert (row.doubled_score_low, row.doubled_score_high) == (0.4, 0.8)
    assert columns.terminal_names()[-3:] == extra.names
    assert columns.recorded_values(record(score=0.25))["doubled_score"] == 0.5


def test_empty_tables_have_an_added_column(extra: Column) -> None:
    tables = derive([], [])
    assert tables.trials["doubled_score"].dtype == tables.summary["doubled_score"].dtype == float


def test_the_files_have_every_recorded_value(grid: list[Record]) -> None:
    tables = derive(grid, [])
    assert set(columns.column_types(Record)) <= set(tables.trials.columns)
    assert list(tables.summary.columns) == columns.summary_names()


def test_words_of_a_cell(record: Any) -> None:
    tables = derive([record(seed=seed, score=score) for seed, score in enumerate((0.5, 0.7))], [])
    (row,) = tables.summary.itertuples()
    shown = {
        column.header(tables.summary): (column.text(row), column.details(row))
        for column in columns.score_columns()
    }
    assert shown["score"] == ("0.600", "0.500 to 0.700")
    assert shown["steps to solve"] == ("–", "0 of 2")
    assert shown["parameters"] == ("20,000", "")
    assert shown["trials"] == ("2", "")


def test_overall_leaves_out_what_was_disturbed() -> None:
    summary = pd.DataFrame(
        {"architecture": ["a", "a", "a", "b"], "speed": [1.0, 4.0, 100.0, None],
         "undisturbed": [True, None, False, True], "score": [1.0] * 4}
    )  # fmt: skip
    mean = Overall("speed", "geometric mean", wording.times)
    ((name, (speed,)),) = mean.aggregate(summary, "speed").items()
    assert name == "a"
    assert speed == pytest.approx(2.0)
    assert Overall("speed", "range", wording.times).aggregate(summary, "speed") == {"a": (1, 100)}
    assert mean.text(()) == wording.MISSING
