"""Every trial as a W&B run."""

from collections import ChainMap
from collections.abc import Iterable
from itertools import groupby, zip_longest
from pathlib import Path
from typing import Any

from lagbench.record import Point, ProbeValue, Record, Status
from lagbench.registry import slug
from lagbench.spec.cell import Cell
from lagbench.tracking.destination import Tracking
from lagbench.tracking.files import wait_until_ended
from lagbench.tracking.opening import Guard, Identity, opened, staged_in

ENDED_WELL = (Status.OK, Status.UNSUPPORTED)
TOLD_APART = {"curve", "probes", "recipe", "budget", "architecture_fields", "task_fields", "format"}


class CellRuns:
    """One W&B run for each trial of a cell, open at once and never mixed.

    `warning` says what W&B raised, if it did; from then on, nothing more of the cell is tracked.
    """

    def __init__(self, tracking: Tracking, suite: str, cell: Cell) -> None:
        self.guard, self.folder = Guard(), tracking.folder
        self.runs: list[Any] = []
        if tracking.mode != "disabled":
            self.guard(lambda: self._open(tracking, suite, cell))

    @property
    def warning(self) -> str | None:
        """What W&B raised, if it did."""
        return self.guard.warning

    @property
    def files(self) -> list[Path]:
        """Where the runs lie."""
        return [Path(run.settings.sync_file) for run in self.runs]

    def log(self, points: dict[int, Point]) -> None:
        """Add new points to the learning curves of their trials, by place in the cell."""
        if self.runs:
            self.guard(lambda: [self.runs[i].log(p.model_dump()) for i, p in points.items()])

    def finish(self, records: list[Record]) -> None:
        """Write what every trial came to, and close its run; it is on the disk then."""
        if self.runs:
            self.guard(lambda: self._finish(records))

    def _open(self, tracking: Tracking, suite: str, cell: Cell) -> None:
        for seed, rate in cell.pairs:
            run = opened(tracking, identity(suite, cell, seed, rate))
            self.runs.append(run)
            run.define_metric("examples")
            run.define_metric("*", step_metric="examples")

    def _finish(self, records: list[Record]) -> None:
        for run, record in zip(self.runs, records, strict=True):
            with staged_in(self.folder):
                _log_probes(run, record.probes)
            run.summary.update(measures(record))
            if record.reason is not None:
                run.notes = record.reason
            run.finish(exit_code=0 if record.status in ENDED_WELL else 1)
        wait_until_ended(self.files, seconds=1)


def identity(suite: str, cell: Cell, seed: int, rate: float | None) -> Identity:
    """What a trial is called, and what it can be found by."""
    chosen = "tuned" if rate is None else f"{rate:g}"
    architecture, task, length = slug(cell.architecture.name), slug(cell.task.name), cell.length
    return Identity(
        key=cell.trial_key(seed, rate),
        name=f"{architecture}-{task}-{length}-seed{seed}-rate{chosen}",
        job_type="trial",
        group=suite,
        tags=(suite, architecture, task, f"length-{length}"),
        config=config(suite, cell) | {"seed": seed, "learning_rate": rate,
                                      "trial": cell.trial_key(seed, rate)},
    )  # fmt: skip


def config(suite: str, cell: Cell) -> dict[str, Any]:
    """All that decides a cell's trials, flat, so that every part can be filtered by."""
    return {
        **_flat("architecture", cell.architecture.fields),
        **_flat("task", cell.task.fields),
        **_flat("recipe", cell.recipe.model_dump(mode="json")),
        **_flat("budget", cell.budget.model_dump(mode="json")),
        "suite": suite,
        "cell": cell.key,
        "architecture": cell.architecture.name,
        "architecture_preset": cell.architecture.preset,
        "task": cell.task.name,
        "task_preset": cell.task.preset,
        "task_version": cell.task.value.version,
        "length": cell.length,
    }


def measures(record: Record) -> dict[str, Any]:
    """Every measure of a trial's row in `trials.csv` that is known; speeds are measured later."""
    plain = record.model_dump(mode="json", exclude=TOLD_APART)
    return {name: value for name, value in plain.items() if value is not None}


def _flat(prefix: str, fields: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in fields.items():
        key = f"{prefix}_{name}"
        found |= _flat(key, value) if isinstance(value, dict) else {key: value}
    return found


def _log_probes(run: Any, values: Iterable[ProbeValue]) -> None:
    """Every probe's curve as a line over its own axis, and all of them as one table.

    The first points of all lines are logged at once, then the second ones, and so on.
    """
    import wandb

    rows = [value.model_dump() for value in values]
    if not rows:
        return
    lines = []
    for probe, of_one in groupby(rows, lambda row: row["probe"]):
        axis, value = f"probe/{probe}/x", f"probe/{probe}"
        run.define_metric(axis, hidden=True)
        run.define_metric(value, step_metric=axis)
        lines.append([{axis: row["x"], value: row["value"]} for row in of_one])
    for points in zip_longest(*lines, fillvalue={}):
        run.log(dict(ChainMap(*points)))
    run.log({"probes": wandb.Table([*rows[0]], [[*row.values()] for row in rows])})
