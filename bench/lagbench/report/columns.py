"""The columns of `trials.csv` and `summary.csv`, each declared once.

`COLUMNS` drives both files, the score tables and the leaderboard of both report pages, the tables
that `lagbench report` and `lagbench show` print, and the summaries in W&B. To add a column, declare
it here; a value that is not recorded yet is also a field of `Record` or `Throughput`. Any other
field of `Record` is a column of `trials.csv` without a label.

A reader of the declaration calls, and never keeps, what it needs:

- `trial_columns()`, `summary_columns()`: the columns of a file, in its order.
- `score_columns()`: those with a label; `column.header(rows)`, `column.text(row)` and
  `column.details(row)` are the words of a header and of a cell.
- `terminal_names()`: names in `summary.csv` of what the terminal shows of a cell.
- `overall_columns(summary)`: those of the leaderboard; `column.overall.text(values)` of a
  `LeaderboardRow`'s `overall[column.name]`.
- `recorded_values(record)`: what a trial reached, for a W&B summary.
- `tracked_columns()`: what W&B shows of a cell beside `summary.csv`; `column.tracked` is how it is
  aggregated over the selected trials of the cell.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from pydantic import BaseModel

from lagbench.record import Point, ProbeValue, Record, Status, Throughput
from lagbench.report import statistics, wording

KEY = ["architecture", "task", "length"]

Aggregate = str | Callable[[pd.Series], Any]
Rows = list[dict[str, Any]] | pd.DataFrame


@dataclass(frozen=True)
class Overall:
    """How the leaderboard sums up a column over all cells of an architecture.

    statistic: the geometric mean of what was measured undisturbed, or the lowest and the highest
        value of the cells that have a score.
    key: its name in `lagbench show --json`; empty: the column's.
    """

    label: str
    statistic: Literal["geometric mean", "range"]
    format: Callable[[Any], str]
    explanation: str = ""
    key: str = ""

    def aggregate(self, summary: pd.DataFrame, column: str) -> dict[str, tuple[float, ...]]:
        """Values by architecture, from rows of `summary`; without those that have none."""
        measured = summary[summary[column].notna()]
        if self.statistic == "range":
            groups = measured[measured["score"].notna()].groupby("architecture")[column]
            return {
                str(name): tuple(values.agg(["min", "max"]).tolist()) for name, values in groups
            }
        measured = undisturbed(measured[measured[column] > 0])
        logs = measured.assign(log=np.log(measured[column].to_numpy(float)))
        means = logs.groupby("architecture")["log"].mean()
        values = np.exp(means.to_numpy(float))
        return {str(n): (float(value),) for n, value in zip(means.index, values, strict=True)}

    def text(self, values: Sequence[float]) -> str:
        """The values as in `0.45×` or `9,760 to 10,242`; a dash where there are none."""
        return wording.value_range(self.format, values)


@dataclass(frozen=True)
class Column:
    """A column of `trials.csv`, of `summary.csv`, or of both.

    Args:
        name: in the files, and of the field of `source`.
        source: "record" or "throughput", whose field it is, or a function of a `Record`; None: the
            column is made by `aggregate` or `show`.
        per_trial: whether it is in `trials.csv`; of a `Throughput`, each trial repeats its cell's.
        dtype: of pandas; empty: by the annotation of the field.
        aggregate: of the values of a cell's trials, as pandas' `agg` takes it; None: it is not
            aggregated, and in `summary.csv` only if its source is "throughput".
        over: which trials are aggregated: those that were scored at the selected learning rate, or
            all.
        of: the column of `trials.csv` to aggregate; empty: `name`.
        interval: whether `NAME_low` and `NAME_high` follow it in `summary.csv`, the 95% bootstrap
            interval of its interquartile mean.
        label: its header on pages, from the rows below it if it is a function; empty: not shown.
        format: the text of a value.
        show: the text of a whole row of `summary.csv`, in place of `format`.
        detail: further text on a row of `summary.csv`, in smaller type; the interval if None.
        terminal: whether `lagbench report` prints it.
        overall: how the leaderboard shows it; None: not at all.
        tracked: how W&B aggregates it over the selected trials of a cell, where `summary.csv` does
            not have it.
    """

    name: str
    source: Literal["record", "throughput"] | Callable[[Record], Any] | None = "record"
    per_trial: bool = True
    dtype: str = ""
    aggregate: Aggregate | None = None
    over: Literal["scored", "all"] = "scored"
    of: str = ""
    interval: bool = False
    label: str | Callable[[pd.DataFrame], str] = ""
    format: Callable[[Any], str] = wording.text
    show: Callable[[Any], str] | None = None
    detail: Callable[[Any], str] | None = None
    terminal: bool = False
    overall: Overall | None = None
    tracked: str = ""

    @property
    def names(self) -> list[str]:
        """Its names in `summary.csv`, with those of its interval."""
        return [self.name, f"{self.name}_low", f"{self.name}_high"][: 3 if self.interval else 1]

    @property
    def type(self) -> str:
        """Its pandas type."""
        fields = Throughput if self.source == "throughput" else Record
        return self.dtype or column_types(fields).get(self.name, "float64")

    def value(self, record: Record) -> Any:
        """Its value in a row of `trials.csv`; dictionaries and tuples as JSON."""
        value = self.source(record) if callable(self.source) else getattr(record, self.name)
        return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | tuple) else value

    def header(self, rows: pd.DataFrame) -> str:
        """Its label above rows of `summary.csv`; empty: it is not shown."""
        return self.label if isinstance(self.label, str) else self.label(rows)

    def text(self, row: Any) -> str:
        """Its text in a row of `summary.csv`."""
        return self.show(row) if self.show else self.format(getattr(row, self.name))

    def details(self, row: Any) -> str:
        """What is said of it in smaller type, such as its interval; empty: nothing."""
        if self.detail is not None:
            return self.detail(row)
        if not self.interval:
            return ""
        return wording.bounds(
            getattr(row, f"{self.name}_low"), getattr(row, f"{self.name}_high"), 3
        )


def column_types(*models: type[BaseModel]) -> dict[str, str]:
    """Pandas types by name, of the fields of models that a cell of a table can hold."""
    types = {str: "string", Status: "string", bool: "bool", int: "Int64", float: "float64"}
    return {
        name: types[kind]
        for model in models
        for name, field in model.model_fields.items()
        for kind in (field.annotation, *get_args(field.annotation))
        if kind in types and name != "format"
    }


def undisturbed(summary: pd.DataFrame) -> pd.DataFrame:
    """The cells that were timed without other processes computing; older records do not say."""
    return summary[summary["undisturbed"].fillna(True)]


def status_counts(row: Any) -> str:
    """How the trials of a row of `summary` ended, as in `9`, or `6 of 9: 3 diverged`."""
    counts = {status: getattr(row, status) for status in Status}
    total = sum(counts.values())
    others = [
        f"{count} {status.replace('_', ' ')}"
        for status, count in counts.items()
        if count and status is not Status.OK
    ]
    return f"{counts[Status.OK]} of {total}: {', '.join(others)}" if others else str(total)


def _iqm(values: pd.Series) -> float:
    measured = values.dropna().to_numpy(float)
    return float(statistics.iqm(measured)) if len(measured) else float("nan")


def _median_steps(values: pd.Series) -> float:
    return statistics.median_steps(values.to_numpy(float, na_value=np.nan))


def _count(status: Status, values: pd.Series) -> int:
    return int((values == status).sum())


def _solved(row: Any) -> str:
    return f"{row.solved} of {row.seeds}" if row.seeds else ""


def _metric(rows: pd.DataFrame) -> str:
    return str(rows["metric"].iloc[0])


def _accuracy(rows: pd.DataFrame) -> str:
    """Its header beside another metric; empty where it is the metric, or nobody has it."""
    return "accuracy" if _metric(rows) != "accuracy" and rows["accuracy"].notna().any() else ""


_SPEED = (
    "Speed: tokens per second relative to the reference model (one LSTM of 64 units), geometric "
    "means over tasks and lengths."
)
_measured = partial(Column, source="throughput", per_trial=False)

COLUMNS: tuple[Column, ...] = (
    Column("architecture", label="architecture", terminal=True),
    Column("task", terminal=True),
    Column("length", label="length", terminal=True),
    Column("seeds", None, False, "Int64", "size", of="score", label="seeds", terminal=True),
    Column("learning_rate", aggregate="first", terminal=True),
    Column("score", aggregate=_iqm, interval=True, label="score", format=wording.number,
           terminal=True),
    Column("metric", aggregate="first", over="all"),
    Column("test_metric", aggregate=_iqm, label=_metric, format=wording.significant),
    Column("accuracy", aggregate=_iqm, label=_accuracy, format=wording.significant, terminal=True),
    Column("chance", aggregate="first", over="all", label="chance", format=wording.significant,
           terminal=True),
    Column("optimum", aggregate="first", over="all"),
    Column("parameters", aggregate="first", over="all", label="parameters", format=wording.integer,
           terminal=True, overall=Overall("parameters", "range", wording.integer)),
    Column("width", aggregate="first", over="all"),
    Column("budget_error", aggregate="first", over="all"),
    Column("solved", None, False, "Int64", "count", of="steps_to_solve"),
    Column("steps_to_solve", dtype="Int64", aggregate=_median_steps, label="steps to solve",
           format=wording.integer, detail=_solved),
    _measured("train_tokens_per_second", per_trial=True, label="training tokens/s",
              format=wording.significant),
    _measured("inference_tokens_per_second", per_trial=True, label="inference tokens/s",
              format=wording.significant),
    _measured("train_relative", terminal=True, overall=Overall(
        "training speed", "geometric mean", wording.times, _SPEED, "training_speed")),
    _measured("inference_relative", overall=Overall(
        "inference speed", "geometric mean", wording.times, _SPEED, "inference_speed")),
    _measured("tokens_per_example"),
    _measured("train_tokens_per_second_low"),
    _measured("train_tokens_per_second_high"),
    _measured("inference_tokens_per_second_low"),
    _measured("inference_tokens_per_second_high"),
    _measured("decode_ms_per_token", per_trial=True, label="decoding ms/token",
              format=wording.significant),
    _measured("decode_ms_per_token_low"),
    _measured("decode_ms_per_token_high"),
    _measured("peak_memory_bytes", per_trial=True, label="peak memory", format=wording.size,
              overall=Overall("peak memory", "range", wording.size,
                              "Memory: at the peak of a training step.")),
    _measured("flops_per_token", per_trial=True, label="operations per token",
              format=wording.significant),
    _measured("state_bytes", per_trial=True),
    _measured("undisturbed", dtype="boolean"),
    *(Column(status.value, None, False, "Int64", partial(_count, status), "all", "status")
      for status in Status),
    Column("trials", None, False, label="trials", show=status_counts),
    Column("gradient_half_life", tracked="median"),
    Column("influence_reach", tracked="median"),
)  # fmt: skip


def trial_columns() -> list[Column]:
    """The columns of `trials.csv`: the fields of a record, functions of it, then its costs."""
    declared = {column.name: column for column in COLUMNS if column.per_trial}
    recorded = [declared.pop(name, Column(name)) for name in column_types(Record)]
    measured = [declared.pop(name) for name in Throughput.model_fields if name in declared]
    computed = list(declared.values())
    return [*recorded, *computed, *measured]


def summary_columns() -> list[Column]:
    """The columns of `summary.csv`; an interval follows the column that it is of."""
    return [
        column
        for column in COLUMNS
        if column.name in KEY or column.aggregate is not None or column.source == "throughput"
    ]


def summary_names() -> list[str]:
    """The header of `summary.csv`."""
    return [name for column in summary_columns() for name in column.names]


def score_columns() -> list[Column]:
    """What a page shows of a row of `summary.csv`."""
    return [column for column in COLUMNS if column.label]


def terminal_names() -> list[str]:
    """What the terminal shows of a row of `summary.csv`."""
    return [name for column in summary_columns() if column.terminal for name in column.names]


def overall_columns(summary: pd.DataFrame) -> list[Column]:
    """What the leaderboard shows beside scores, of what was measured at all."""
    return [c for c in COLUMNS if c.overall is not None and summary[c.name].notna().any()]


def tracked_columns() -> list[Column]:
    """What W&B shows of a cell beside `summary.csv`."""
    return [column for column in COLUMNS if column.tracked]


def recorded_values(record: Record) -> dict[str, Any]:
    """Every single value of a trial that is known, by the name of its column."""
    values = {c.name: c.value(record) for c in trial_columns() if c.source != "throughput"}
    parts = {n for n in Record.model_fields if isinstance(getattr(record, n), dict | tuple)}
    known = {n: v for n, v in values.items() if v is not None and n not in parts}
    return {n: v.value if isinstance(v, Enum) else v for n, v in known.items()}


_COUNTS = ["seeds", "shortest", "longest", "lengths", "blocks", "rates"]
_TEXTS = ["censored", "edge", "architecture_a", "architecture_b", "verdict", "clique", "effort"]


def frame(rows: Rows, names: list[str], by: list[str]) -> pd.DataFrame:
    """Rows as a sorted frame whose columns have the same types however few the rows."""
    types = {
        **column_types(Record, Throughput, Point, ProbeValue),
        **dict.fromkeys(_COUNTS, "Int64"),
        **dict.fromkeys(_TEXTS, "string"),
        **{name: column.type for column in COLUMNS for name in column.names[:1]},
    }
    typed = {name: types.get(name, "float64") for name in names}
    return pd.DataFrame(rows, columns=names).astype(typed).sort_values(by, ignore_index=True)


def scored(trials: pd.DataFrame) -> pd.DataFrame:
    """The trials at the selected learning rate that have a score."""
    rows: pd.DataFrame = trials.loc[trials["selected"] & np.isfinite(trials["score"])]
    return rows


def aggregated(trials: pd.DataFrame) -> pd.DataFrame:
    """Every aggregated column of `summary.csv`, from `trials`, indexed by `KEY`."""
    groups = {"all": trials.groupby(KEY), "scored": scored(trials).groupby(KEY)}
    columns = [column for column in summary_columns() if column.aggregate is not None]
    values: dict[str, Any] = {}
    for column in columns:
        group = groups[column.over][column.of or column.name]
        values[column.name] = group.agg(column.aggregate)
        if column.interval:
            intervals = [statistics.interval(sample.dropna()) for _, sample in group]
            index = values[column.name].index
            for name, bounds in zip(column.names[1:], zip(*intervals, strict=True), strict=False):
                values[name] = pd.Series(bounds, index)
    counts = [column.name for column in columns if column.aggregate in ("size", "count")]
    return pd.DataFrame(values).fillna(dict.fromkeys(counts, 0))


def speeds(throughputs: Iterable[Throughput], names: list[str]) -> pd.DataFrame:
    """A row for each throughput, with these columns beside `KEY`."""
    rows = [{name: getattr(speed, name) for name in [*KEY, *names]} for speed in throughputs]
    return frame(rows, [*KEY, *names], by=KEY)
