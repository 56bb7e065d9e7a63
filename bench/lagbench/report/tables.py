"""The tables of a run, derived from its records alone, and their CSV files.

Rows are sorted and columns stand in a fixed order, so that the same records give the same bytes.
An empty cell means: not measured.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from functools import reduce
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lagbench.record import Point, ProbeValue, Record, Run, Status, Throughput
from lagbench.report import statistics
from lagbench.report.comparisons import comparisons
from lagbench.report.frames import KEY, column_types, frame, scored
from lagbench.report.lr_windows import lr_windows
from lagbench.report.progress import equal_cost, progress
from lagbench.report.ranks import ranks

SPEEDS = [
    *("train_tokens_per_second", "inference_tokens_per_second"),
    *("train_relative", "inference_relative", "tokens_per_example"),
    *("train_tokens_per_second_low", "train_tokens_per_second_high"),
    *("inference_tokens_per_second_low", "inference_tokens_per_second_high"),
    *("decode_ms_per_token", "decode_ms_per_token_low", "decode_ms_per_token_high"),
    *("peak_memory_bytes", "flops_per_token", "state_bytes", "undisturbed"),
]
COSTS = ["decode_ms_per_token", "peak_memory_bytes", "flops_per_token", "state_bytes"]
STATUSES = [status.value for status in Status]
MEASURES = [name for name in column_types(Record) if name != "format"]
TRIALS = [*MEASURES, *SPEEDS[:2], *COSTS]
CURVES = ["suite", "trial", *KEY, "seed", "learning_rate", "selected", *Point.model_fields]
PROBES = ["trial", *KEY, "seed", *ProbeValue.model_fields]
SUMMARY = [
    *KEY,
    *("seeds", "learning_rate", "score", "score_low", "score_high"),
    *("metric", "test_metric", "accuracy", "chance", "optimum"),
    *("parameters", "width", "budget_error", "solved", "steps_to_solve"),
    *SPEEDS,
    *STATUSES,
]
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
    rows = [{column: _flat(getattr(record, column)) for column in MEASURES} for record in records]
    joined = frame(rows, MEASURES, by=[*KEY, "seed", "learning_rate", "trial"]).merge(
        _speeds(throughputs), on=KEY, how="left", validate="many_to_one"
    )
    return joined[TRIALS]


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
    """A row for each architecture, task and length of `trials`.

    Measures are interquartile means (below four seeds: means) over the `seeds` that were scored
    at the selected learning rate, `solved` of which solved the task; `steps_to_solve` is the number
    of steps by which half of them had. The statuses count all trials, selected or not.
    """
    groups = rows.groupby(KEY)
    statuses = rows.groupby([*KEY, "status"]).size().unstack(fill_value=0)
    parts = [
        groups[["metric", "chance", "optimum", "parameters", "width", "budget_error"]].first(),
        statuses.reindex(columns=STATUSES, fill_value=0),
        _measures(rows),
        _speeds(throughputs).set_index(KEY),
    ]
    joined = reduce(pd.DataFrame.join, parts).reset_index()
    return frame(joined.fillna({"seeds": 0, "solved": 0}), SUMMARY, by=KEY)


def horizons(rows: pd.DataFrame) -> pd.DataFrame:
    """The memory horizon of each architecture on each task, from `trials`.

    Lengths that an architecture refuses are left out. A length that it tried without a score
    (it diverged, say) ends what is known: the horizon is then at least the length before.
    """
    found = [
        {"architecture": architecture, "task": task} | _horizon(scores)
        for (architecture, task), tried in _scores_by_length(rows).items()
        if (scores := _leading(tried))
    ]
    return frame(found, HORIZONS, by=["architecture", "task"])


def unsupported(rows: pd.DataFrame) -> pd.DataFrame:
    """A row for each architecture, task and length that cannot be run, and why."""
    refused = rows[rows["status"] == Status.UNSUPPORTED]
    return refused[UNSUPPORTED].drop_duplicates().sort_values(UNSUPPORTED, ignore_index=True)


def _measures(rows: pd.DataFrame) -> pd.DataFrame:
    """What was reached over the seeds, indexed by `KEY`."""
    groups = scored(rows).groupby(KEY)
    measures = groups.agg(
        seeds=("score", "size"),
        learning_rate=("learning_rate", "first"),
        score=("score", _iqm),
        test_metric=("test_metric", _iqm),
        accuracy=("accuracy", _iqm),
        solved=("steps_to_solve", "count"),
        steps_to_solve=("steps_to_solve", _median_steps),
    )
    intervals = [statistics.interval(scores) for _, scores in groups["score"]]
    measures["score_low"] = [low for low, _ in intervals]
    measures["score_high"] = [high for _, high in intervals]
    return measures


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
    found: dict[tuple[str, str], dict[int, list[float]]] = {}
    tried = rows.loc[rows["status"] != Status.UNSUPPORTED, [*KEY, "selected", "score"]]
    for architecture, task, length, selected, score in tried.itertuples(index=False):
        scores = found.setdefault((architecture, task), {}).setdefault(length, [])
        if selected and np.isfinite(score):
            scores.append(score)
    return found


def _leading(scores: dict[int, list[float]]) -> dict[int, list[float]]:
    """The lengths before the first that was tried in vain."""
    return dict(takewhile(lambda item: item[1], scores.items()))


def _iqm(values: pd.Series) -> float:
    measured = values.dropna().to_numpy(float)
    return float(statistics.iqm(measured)) if len(measured) else float("nan")


def _median_steps(values: pd.Series) -> float:
    return statistics.median_steps(values.to_numpy(float, na_value=np.nan))


def _speeds(throughputs: Iterable[Throughput]) -> pd.DataFrame:
    columns = [*KEY, *SPEEDS]
    rows = [{column: getattr(speed, column) for column in columns} for speed in throughputs]
    return frame(rows, columns, by=KEY)


def _flat(value: Any) -> Any:
    """What has parts, like a recipe, as JSON."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | tuple) else value


def _key(record: Record, *more: str) -> dict[str, Any]:
    return {column: getattr(record, column) for column in ("trial", *KEY, "seed", *more)}
