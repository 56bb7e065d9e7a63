"""Open W&B runs, offline and any number at once; every trial of a cell as a run."""

import os
from collections import ChainMap
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby, zip_longest
from pathlib import Path
from typing import Any
from uuid import uuid4

from lagbench.record import Point, ProbeValue, Record, Status
from lagbench.registry import slug
from lagbench.spec.cell import Cell
from lagbench.tracking.destination import Tracking
from lagbench.tracking.sync import wait_until_ended

MAX_TAG = 64  # characters that W&B accepts
SUCCEEDED = (Status.OK, Status.UNSUPPORTED)


@dataclass(frozen=True)
class RunIdentity:
    """Name, group, tags and configuration of a W&B run; its id begins with `key`."""

    key: str
    name: str
    job_type: str
    group: str
    tags: Sequence[str]
    config: dict[str, Any] = field(default_factory=dict)


class BestEffort:
    """Calls W&B until a call fails: that one becomes `warning`, and later calls do nothing."""

    def __init__(self) -> None:
        self.warning: str | None = None

    def __call__(self, call: Callable[[], object]) -> None:
        if self.warning is not None:
            return
        try:
            call()
        except Exception as error:  # whatever W&B raises must not cost a result
            self.warning = f"W&B stopped tracking: {type(error).__name__}: {error}"


def prepare() -> None:
    """Import what runs need, which takes a second, without starting W&B's service."""
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    import wandb.proto.wandb_internal_pb2  # noqa: F401  imports all of W&B


def open_run(tracking: Tracking, identity: RunIdentity) -> Any:
    """Open a run that is written to disk only; any number may be open at once.

    Its id ends in twelve random characters: the same trial run again, perhaps at another commit, is
    another run.
    """
    import wandb

    tracking.folder.mkdir(parents=True, exist_ok=True)
    return wandb.init(
        mode="offline",
        dir=tracking.folder,
        project=tracking.project,
        entity=tracking.entity,
        id=f"{identity.key}-{uuid4().hex[:12]}",
        name=identity.name,
        group=identity.group[:128],
        job_type=identity.job_type,
        tags=list(dict.fromkeys(tag[:MAX_TAG] for tag in identity.tags)),
        config=identity.config,
        reinit="create_new",
        settings=minimal_settings(),
    )


def minimal_settings() -> Any:
    """W&B's settings for runs of a few milliseconds, flushed to disk every second.

    No console, machine statistics, requirements, code or git: the records have those.
    """
    import wandb

    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    return wandb.Settings(
        console="off",
        x_disable_stats=True,
        x_disable_meta=True,
        x_save_requirements=False,
        x_transaction_log_flush_interval=1,
        save_code=False,
        disable_git=True,
        disable_job_creation=True,
        silent=True,
        symlink=False,
    )


@contextmanager
def staged_in(folder: Path) -> Iterator[None]:
    """Let W&B stage copies of tables and artifacts in the folder, not in the user's home."""
    before = os.environ.get("WANDB_DATA_DIR")
    os.environ["WANDB_DATA_DIR"] = str((folder / "wandb").resolve())
    try:
        yield
    finally:
        del os.environ["WANDB_DATA_DIR"]
        if before is not None:
            os.environ["WANDB_DATA_DIR"] = before


class CellRuns:
    """One W&B run for each trial of a cell, all open at once.

    `warning` is what W&B raised, if it did; nothing more of the cell is tracked then.
    """

    def __init__(self, tracking: Tracking, suite: str, cell: Cell) -> None:
        self.best_effort, self.folder = BestEffort(), tracking.folder
        self.runs: list[Any] = []
        if tracking.mode != "disabled":
            self.best_effort(lambda: self._open(tracking, suite, cell))

    @property
    def warning(self) -> str | None:
        return self.best_effort.warning

    @property
    def files(self) -> list[Path]:
        """The files that hold the runs."""
        return [Path(run.settings.sync_file) for run in self.runs]

    def log(self, points: dict[int, Point]) -> None:
        """Add points to the learning curves of trials, by their index in the cell."""
        if self.runs:
            self.best_effort(lambda: [self.runs[i].log(p.model_dump()) for i, p in points.items()])

    def finish(self, records: list[Record]) -> None:
        """Write the results of all trials and close their runs, which are then on disk."""
        if self.runs:
            self.best_effort(lambda: self._finish(records))

    def _open(self, tracking: Tracking, suite: str, cell: Cell) -> None:
        for seed, rate in cell.pairs:
            run = open_run(tracking, trial_identity(suite, cell, seed, rate))
            self.runs.append(run)
            run.define_metric("examples")
            run.define_metric("*", step_metric="examples")

    def _finish(self, records: list[Record]) -> None:
        from lagbench.report.columns import recorded_values  # pandas starts a thread: not in a fork

        for run, record in zip(self.runs, records, strict=True):
            with staged_in(self.folder):
                _log_probes(run, record.probes)
            run.summary.update(recorded_values(record))
            run.summary["unsupported_probes"] = record.unsupported_probes
            run.summary["deep_probes"] = list(record.deep_probes)
            if record.reason is not None:
                run.notes = record.reason
            run.finish(exit_code=0 if record.status in SUCCEEDED else 1)
        wait_until_ended(self.files, seconds=1)


def trial_identity(suite: str, cell: Cell, seed: int, rate: float | None) -> RunIdentity:
    """The identity of a trial; its configuration is flat, so that every part can be filtered by."""
    rate_name = "tuned" if rate is None else f"{rate:g}"
    architecture, task, length = slug(cell.architecture.name), slug(cell.task.name), cell.length
    key = cell.trial_key(seed, rate)
    config = {
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
        "seed": seed,
        "learning_rate": rate,
        "trial": key,
    }
    return RunIdentity(
        key=key,
        name=f"{architecture}-{task}-{length}-seed{seed}-rate{rate_name}",
        job_type="trial",
        group=suite,
        tags=(suite, architecture, task, f"length-{length}"),
        config=config,
    )


def _flat(prefix: str, fields: dict[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in fields.items():
        key = f"{prefix}_{name}"
        flat |= _flat(key, value) if isinstance(value, dict) else {key: value}
    return flat


def _log_probes(run: Any, values: Iterable[ProbeValue]) -> None:
    """Log each probe's curve as a line over an axis of its own, and all of them as one table.

    The first points of all lines are logged together, then the second points, and so on.
    """
    import wandb

    rows = [value.model_dump() for value in values]
    if not rows:
        return
    lines = []
    for probe, points in groupby(rows, lambda row: row["probe"]):
        axis, value = f"probe/{probe}/x", f"probe/{probe}"
        run.define_metric(axis, hidden=True)
        run.define_metric(value, step_metric=axis)
        lines.append([{axis: point["x"], value: point["value"]} for point in points])
    for step in zip_longest(*lines, fillvalue={}):
        run.log(dict(ChainMap(*step)))
    run.log({"probes": wandb.Table([*rows[0]], [[*row.values()] for row in rows])})
