"""The tables of a run as a page shows them: grouped, ordered, and short enough to be read."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from lagbench.record import Record, Status
from lagbench.report import series
from lagbench.report.comparisons import Better
from lagbench.report.tables import Tables
from lagbench.report.wording import MISSING

MOST = 200
"""Rows of unsupported, and of failures, that a page shows; the CSV files have all."""
LONGEST_REASON = 300


@dataclass(frozen=True)
class Scores:
    """Rows of `summary` of one task, by length; the best come first."""

    task: str
    metric: str
    has_accuracy: bool  # beside another metric
    lengths: list[list[Any]]


def scores(summary: pd.DataFrame) -> list[Scores]:
    """The scores of every task, without what is unsupported."""
    tried = summary[summary["unsupported"] < summary[[*Status]].sum(axis=1)]
    if len(tried) > series.MAX_LINES:
        tried = series.longest_lengths(tried)
    by_score = tried.sort_values(["score", "architecture"], ascending=[False, True])
    return [_scores(str(task), own) for task, own in by_score.groupby("task")]


def _scores(task: str, rows: pd.DataFrame) -> Scores:
    metric = str(rows["metric"].iloc[0])
    has_accuracy = metric != "accuracy" and bool(rows["accuracy"].notna().any())
    return Scores(task, metric, has_accuracy, [_rows(own) for _, own in rows.groupby("length")])


@dataclass(frozen=True)
class Difference:
    """Two architectures on a task; the one with the better mean comes first."""

    better: str
    worse: str
    task: str
    over: str  # which lengths
    seeds: int
    difference: float
    low: float
    high: float
    wins: float  # how often a run of the better one beats one of the other
    p: float
    detectable: float
    settled: bool


def differences(comparisons: pd.DataFrame) -> list[Difference]:
    """Every two architectures over all lengths of each task that they share; settled ones first."""
    alone = ~comparisons.duplicated(["architecture_a", "architecture_b", "task"], keep=False)
    rows = comparisons[comparisons["length"].isna() | alone]
    found = [_difference(row) for row in _rows(rows)]
    return sorted(found, key=lambda one: (one.task, not one.settled, -one.difference, one.better))


def _difference(row: Any) -> Difference:
    first = bool(row.difference >= 0)
    names = [str(row.architecture_a), str(row.architecture_b)]
    low, high = (row.low, row.high) if first else (-row.high, -row.low)
    improvement = row.probability_of_improvement
    return Difference(
        better=names[not first],
        worse=names[first],
        task=str(row.task),
        over=str(row.length) if pd.notna(row.length) else f"{row.lengths} lengths",
        seeds=int(row.seeds),
        difference=abs(row.difference),
        low=low,
        high=high,
        wins=improvement if first else 1 - improvement,
        p=row.p_holm,
        detectable=row.minimum_detectable,
        settled=row.verdict in (Better.A, Better.B),
    )


def endings(row: Any) -> str:
    """How the trials of a row of `summary` ended, as in `9`, or `6 of 9: 3 diverged`."""
    counts = {status: getattr(row, status) for status in Status}
    total = sum(counts.values())
    others = [
        f"{count} {status.replace('_', ' ')}"
        for status, count in counts.items()
        if count and status is not Status.OK
    ]
    return f"{counts[Status.OK]} of {total}: {', '.join(others)}" if others else str(total)


def unsupported(tables: Tables) -> pd.DataFrame:
    """A row for each architecture, task and reason, with the lengths it holds for."""
    return _joined(tables.unsupported, ["architecture", "task", "reason"], ["length"])


def failures(tables: Tables) -> pd.DataFrame:
    """A row for each way in which an architecture failed on a task at a length."""
    failed = tables.trials[~tables.trials["status"].isin([Status.OK, Status.UNSUPPORTED])]
    keys = ["architecture", "task", "length", "status", "reason"]
    return _joined(failed, keys, ["seed", "learning_rate"])


def settings(records: Sequence[Record], kind: str) -> dict[str, str]:
    """Every setting of the recipes, or of the budgets, with all values that it had."""
    found: dict[str, dict[str, None]] = {}
    for record in records:
        for name, value in getattr(record, kind).items():
            found.setdefault(name, {})[str(value)] = None
    return {name: " or ".join(values) for name, values in sorted(found.items())}


def _joined(rows: pd.DataFrame, keys: list[str], lists: list[str]) -> pd.DataFrame:
    """One row for each of `keys`, the values of each column of `lists` in one text."""
    known = rows.assign(reason=rows["reason"].fillna(MISSING).str.slice(0, LONGEST_REASON))
    texts = {column: (column, _text) for column in lists}
    return known.groupby(keys).agg(trials=("reason", "size"), **texts).reset_index()


def _text(values: pd.Series) -> str:
    return ", ".join(f"{value:g}" for value in sorted(values.dropna().unique()))


def _rows(frame: pd.DataFrame) -> list[Any]:
    return list(frame.itertuples(index=False))
