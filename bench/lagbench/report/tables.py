"""The tables of a run, derived from its records alone, and their CSV files.

Rows are sorted and columns stand in a fixed order, so that the same records give the same bytes.
An empty cell means: not measured.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lagbench.record import Point, ProbeValue, Record, Run, Status, Throughput
from lagbench.report import columns, statistics
from lagbench.report.columns import KEY, frame
from lagbench.report.comparisons import comparisons
from lagbench.report.lr_windows import lr_windows
from lagbench.report.progress import equal_cost, progress
from lagbench.report.ranks import ranks

CURVES = ["suite", "trial", *KEY, "seed", "learning_rate", "selected", *Point.model_fields]
PROBES = ["trial", *KEY, "seed", *ProbeValue.model_fields]
HORIZONS = [
    *("architecture", "task", "horizon", "low", "high"),
    *("censored", "seeds", "shortest", "longest"),
]
UNSUPPORTED = [*KEY, "reason"]


@dataclass(frozen=True)
class Tables:
    """Every table of a run; each is written as `NAME.csv`."""

    trials: pd.DataFrame
    curves: pd.DataFrame
    probes: pd.DataFrame
    summary: pd.DataFrame
    horizons: pd.DataFrame
    comparisons: pd.DataFrame
    ranks: pd.DataFrame
    lr_windows: pd.DataFrame
    progress: pd.DataFrame
    equal_cost: pd.DataFrame
    unsupported: pd.DataFrame


@dataclass(frozen=True)
class Results:
    """What a folder holds: how it came about, the records that it reports, and their tables."""

    run: Run
    records: tuple[Record, ...]
    tables: Tables


def derive(records: Sequence[Record], throughputs: Sequence[Throughput]) -> Tables:
    """All tables of the records and throughputs of one run."""
    rows = trials(records, throughputs)
    summarised = summary(rows, throughputs)
    course = progress(records, throughputs)
    return Tables(
        trials=rows,
        curves=curves(records),
        probes=probes(records),
        summary=summarised,
        horizons=horizons(rows),
        comparisons=comparisons(rows),
        ranks=ranks(rows),
        lr_windows=lr_windows(rows),
        progress=course,
        equal_cost=equal_cost(course, records),
        unsupported=unsupported(rows),
    )


def write_tables(out: Path, tables: Tables) -> list[Path]:
    """Write every table as CSV: floats as the shortest text that reads back to the same number."""
    paths = []
    for field in fields(tables):
        paths.append(out / f"{field.name}.csv")
        getattr(tables, field.name).to_csv(paths[-1], index=False, lineterminator="\n")
    return paths


def trials(records: Iterable[Record], throughputs: Iterable[Throughput]) -> pd.DataFrame:
    """A row for each trial, whatever became of it."""
    known = columns.trial_columns()
    recorded = [column for column in known if column.source != "throughput"]
    names = [column.name for column in recorded]
    rows = [{column.name: column.value(record) for column in recorded} for record in records]
    costs = columns.speeds(throughputs, [c.name for c in known if c.source == "throughput"])
    return frame(rows, names, by=[*KEY, "seed", "learning_rate", "trial"]).merge(
        costs, on=KEY, how="left", validate="many_to_one"
    )


def curves(records: Iterable[Record]) -> pd.DataFrame:
    """A row for each evaluation during the training of each trial."""
    rows = [
        _key(record, "suite", "learning_rate", "selected") | point.model_dump()
        for record in records
        for point in record.curve
    ]
    return frame(rows, CURVES, by=[*KEY, "seed", "learning_rate", "trial", "step"])


def probes(records: Iterable[Record]) -> pd.DataFrame:
    """A row for each value of each probe of the trials whose learning rate was selected."""
    rows = [
        _key(record) | value.model_dump()
        for record in records
        if record.selected
        for value in record.probes
    ]
    return frame(rows, PROBES, by=[*KEY, "seed", "trial", "probe", "x"])


def summary(rows: pd.DataFrame, throughputs: Iterable[Throughput]) -> pd.DataFrame:
    """A row for each architecture, task and length of `trials`, by the columns' aggregates.

    Scores are interquartile means (below four seeds: means) over the `seeds` that were scored at
    the selected learning rate, `solved` of which solved the task; `steps_to_solve` is the number
    of steps by which half of them had. The statuses count all trials, selected or not.
    """
    measured = [c.name for c in columns.summary_columns() if c.source == "throughput"]
    costs = columns.speeds(throughputs, measured).set_index(KEY)
    joined = columns.aggregated(rows).join(costs).reset_index()
    return frame(joined, columns.summary_names(), by=KEY)


def horizons(rows: pd.DataFrame) -> pd.DataFrame:
    """The memory horizon of each architecture on each task, from `trials`.

    Unsupported lengths are left out. A length that it tried without a score
    (it diverged, say) ends what is known: the horizon is then at least the length before.
    """
    result = [
        {"architecture": architecture, "task": task} | _horizon(scores)
        for (architecture, task), tried in _scores_by_length(rows).items()
        if (scores := _leading(tried))
    ]
    return frame(result, HORIZONS, by=["architecture", "task"])


def unsupported(rows: pd.DataFrame) -> pd.DataFrame:
    """A row for each architecture, task and length that cannot be run, and why."""
    of_trials = rows[rows["status"] == Status.UNSUPPORTED]
    return of_trials[UNSUPPORTED].drop_duplicates().sort_values(UNSUPPORTED, ignore_index=True)


def _horizon(scores: dict[int, list[float]]) -> dict[str, Any]:
    """Scores of the seeds by ascending length -> columns of `horizons`."""
    lengths, samples = list(scores), list(scores.values())
    means = np.array([statistics.iqm(sample) for sample in samples])
    low, high = statistics.horizon_interval(lengths, samples)
    return {
        "horizon": float(statistics.horizon(lengths, means)),
        "low": low,
        "high": high,
        "censored": statistics.censored(means),
        "seeds": min(map(len, samples)),
        "shortest": lengths[0],
        "longest": lengths[-1],
    }


def _scores_by_length(rows: pd.DataFrame) -> dict[tuple[str, str], dict[int, list[float]]]:
    """Scores of the seeds by architecture and task, then by ascending length; empty: no score."""
    result: dict[tuple[str, str], dict[int, list[float]]] = {}
    tried = rows.loc[rows["status"] != Status.UNSUPPORTED, [*KEY, "selected", "score"]]
    for architecture, task, length, selected, score in tried.itertuples(index=False):
        scores = result.setdefault((architecture, task), {}).setdefault(length, [])
        if selected and np.isfinite(score):
            scores.append(score)
    return result


def _leading(scores: dict[int, list[float]]) -> dict[int, list[float]]:
    """The lengths before the first that was tried in vain."""
    return dict(takewhile(lambda item: item[1], scores.items()))


def _key(record: Record, *more: str) -> dict[str, Any]:
    return {column: getattr(record, column) for column in ("trial", *KEY, "seed", *more)}
