"""`progress.csv` and `equal_cost.csv`: validation scores against what it took to reach them.

All architectures see equally many examples, and these cost each of them other operations and other
seconds. A budget of seconds would be another width at each measurement; so that trials can be
repeated to the last bit, seconds are no budget but an axis, and what each has reached in equal time
is read off it.
"""

from collections.abc import Iterable, Iterator, Sequence
from math import nan
from typing import Any

import numpy as np
import pandas as pd

from lagbench.record import CellId, Record, Throughput
from lagbench.report.columns import KEY, frame
from lagbench.report.statistics import bootstrap_interval, iqm

PASSES = 3
"""Training on an example takes as many operations as so many passes forward."""
EFFORTS = ["examples", "flops", "seconds"]
SCORE = ["score", "score_low", "score_high"]
PROGRESS = [*KEY, "seeds", "step", *EFFORTS, *SCORE]
REACHED = ["task", "length", "effort", "spent", "architecture", "step", *SCORE]

Row = dict[str, Any]


def progress(records: Iterable[Record], throughputs: Iterable[Throughput]) -> pd.DataFrame:
    """A row for each evaluation of the seeds at the selected learning rate, together.

    score: the interquartile mean of their best validation scores so far, as the weights that are
    tested are those. examples: that each seed has trained on. flops, seconds: that this takes one
    model which trains alone; seconds are of passes forward and backward at the speed that was
    measured, and empty where others computed beside the measurement.
    """
    prices = {(speed.architecture, speed.task, speed.length): speed for speed in throughputs}
    runs: dict[CellId, list[Record]] = {}
    for record in filter(_counts, records):
        runs.setdefault(record.cell_id, []).append(record)
    result = [
        dict(zip(KEY, cell_id, strict=True)) | row
        for cell_id, seeds_of_cell in runs.items()
        for row in _progress(seeds_of_cell, prices.get(cell_id))
    ]
    return frame(result, PROGRESS, by=[*KEY, "step"])


def equal_cost(table: pd.DataFrame, records: Iterable[Record]) -> pd.DataFrame:
    """What each architecture had reached when all had spent as much, from `progress`.

    A row for each of `EFFORTS`, on each task at each length: `spent` is what the architecture that
    is cheapest takes for all steps of its recipe. One that stopped before, since it had solved the
    task, keeps its score; one that was not yet evaluated has none. Where a recipe lowers the rate
    towards its end, those that are cut short have not come to that.
    """
    planned = {
        record.cell_id: record.recipe["steps"] * record.recipe["batch_size"]
        for record in filter(_counts, records)
    }
    result = [
        {"task": task, "length": length, "effort": effort} | row
        for (task, length), rows in table.groupby(["task", "length"])
        for effort in EFFORTS
        for row in _reached(rows.dropna(subset=[effort]), effort, planned)
    ]
    return frame(result, REACHED, by=["task", "length", "effort", "architecture"])


def _counts(record: Record) -> bool:
    return record.selected and bool(record.curve)


def _progress(runs: Sequence[Record], speed: Throughput | None) -> Iterator[Row]:
    """A row for each evaluation that all of these seeds have."""
    flops, seconds = _prices(speed)
    points = list(zip(*(run.curve for run in runs), strict=False))
    scores = np.array([[evaluation.validation_score for evaluation in row] for row in points])
    best = np.fmax.accumulate(scores, axis=0)
    known = np.asarray(np.isfinite(best).all(axis=1))
    low, high = bootstrap_interval([best[known]], iqm)
    at = [row[0] for row, complete in zip(points, known, strict=True) if complete]
    for point, *score in zip(at, iqm(best[known]), low, high, strict=True):
        yield {
            "seeds": len(runs),
            "step": point.step,
            "examples": point.examples,
            "flops": point.examples * flops,
            "seconds": point.examples * seconds,
            **dict(zip(SCORE, score, strict=True)),
        }


def _prices(speed: Throughput | None) -> tuple[float, float]:
    """Operations and seconds of training on one example; NaN: not known."""
    if speed is None:
        return nan, nan
    tokens = speed.tokens_per_example
    flops = nan if speed.flops_per_token is None else PASSES * tokens * speed.flops_per_token
    return flops, nan if speed.undisturbed is False else tokens / speed.train_tokens_per_second


def _reached(rows: pd.DataFrame, effort: str, planned: dict[CellId, int]) -> Iterator[Row]:
    """A row for each architecture on one task at one length; planned: examples of all steps."""
    courses: dict[CellId, list[Any]] = {}
    points: list[Any] = list(rows.itertuples(index=False))
    for row in points:
        courses.setdefault((row.architecture, row.task, row.length), []).append(row)
    ends = [(cell_id, course[-1]) for cell_id, course in courses.items()]
    complete = [getattr(end, effort) / end.examples * planned[cell_id] for cell_id, end in ends]
    spent = min(complete, default=nan)
    for (architecture, _, _), course in courses.items():
        within = [row for row in course if getattr(row, effort) <= spent * (1 + 1e-9)]  # rounding
        reached = {name: getattr(row, name) for row in within[-1:] for name in ("step", *SCORE)}
        yield {"spent": spent, "architecture": architecture, **reached}
