"""Run a suite: train what is missing, measure its speed, then derive every table and report."""

import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

from lagbench.device import device_name
from lagbench.record import Record, Run, Status
from lagbench.run.config import RunConfig
from lagbench.run.executor import Event, Finished, single_thread
from lagbench.run.failures import describe_failure
from lagbench.run.machine import commit, versions
from lagbench.run.store import Store, os_errors_as_user_errors, run_lock
from lagbench.spec.cell import Cell
from lagbench.spec.suite import cells
from lagbench.tracking import SuiteRuns, Tracking

if TYPE_CHECKING:
    from lagbench.report.tables import Tables

WRITTEN = ("trials.csv", "summary.csv", "report.md", "report.html")  # the report comes last


class Watcher:
    """Callbacks of a run; this one ignores them all."""

    def planned(self, missing: list[Cell], present: list[list[Record]]) -> None:
        """Before training: the cells to train, and the records of those that are finished."""

    def missing_weights(self, count: int) -> None:
        """So many of the cells to train are finished, but their weights were not kept."""

    def on_event(self, event: Event) -> None:
        """A cell has started or was evaluated; called from another thread."""

    def finished(self, done: Finished) -> None:
        """A cell's records are stored."""

    def measured(self, done: int, total: int) -> None:
        """The speed of so many cells is known."""

    def warned(self, sentence: str) -> None:
        """Something is wrong, and the run goes on."""


def run(config: RunConfig, watcher: Watcher) -> Run:
    """Train what is missing, measure its speed, write every table and report.

    Killed and started again, it does only what is missing. Raises `UserError`, before anything is
    written, where the suite is invalid or another run holds the folder.
    """
    todo = cells(config.suite)
    with run_lock(config.out):
        return _run(config, todo, Store(config.out, watcher.warned), watcher)


def _run(config: RunConfig, todo: list[Cell], store: Store, watcher: Watcher) -> Run:
    started = time.monotonic()
    before = store.read_run()
    records = stored_cells(todo, store, config.retry_failed, watcher)
    missing = [cell for cell in todo if cell not in records]
    watcher.planned(missing, list(records.values()))
    failures = sum(map(_failed, records.values()))
    if failures:
        count = "1 cell" if failures == 1 else f"{failures} cells"
        watcher.warned(f"{count} failed before and stay so; --retry-failed trains them again.")
    report = _new_run(config, todo, store, before)
    up_to_date = not missing and not _unmeasured(records, store)
    if before is not None and up_to_date and _same_report(before, report, store):
        return before
    store.write_run(report)
    runs = SuiteRuns(config.tracking, config.suite.name)
    imports = Thread(target=_import_ahead, args=(config.tracking,), daemon=True)
    if missing and not config.executor.in_process:  # this process would only wait
        imports.start()
    records |= train_cells(config, missing, store, watcher, runs, imports)
    _measure(_unmeasured(records, store), store, config.device, watcher)
    seconds = report.seconds + time.monotonic() - started
    report = report.model_copy(update={"seconds": seconds, "reported": True})
    runs.finish(report, *_write_report(store, report))
    for warning in runs.warnings:
        watcher.warned(warning)
    store.write_run(report)
    return report


def rewrite(out: Path, warn: Callable[[str], None] = lambda _: None) -> Run:
    """Derive every table and report of a folder from its records again."""
    store = Store(out, warn)
    report = store.known_run()
    _write_report(store, report)
    return report


def train_cells(
    config: RunConfig,
    missing: list[Cell],
    store: Store,
    watcher: Watcher,
    runs: SuiteRuns,
    imports: Thread | None = None,
) -> dict[Cell, list[Record]]:
    """Train cells; returns their records, each stored as soon as it is there.

    imports: a thread that imports modules meanwhile. It is joined before this thread imports
    anything, since two importing threads can wait for each other.
    """
    longest_first = sorted(missing, key=lambda cell: cell.cost, reverse=True)
    worker_config = config.for_workers(store.cache)
    records = {}
    execution = config.executor.execute(longest_first, worker_config, watcher.on_event)
    with closing(execution) as finished:
        for done in finished:
            if imports is not None and imports.is_alive():
                imports.join()
            for key, packed in done.weights.items():
                store.write_weights(key, packed)
            store.write(done.records)
            records[done.cell] = done.records
            runs.ended(done.cell, done.records)
            watcher.finished(done)
    return records


def stored_cells(
    todo: list[Cell], store: Store, retry_failed: bool, watcher: Watcher
) -> dict[Cell, list[Record]]:
    """The records of finished cells, except those that are to be trained again."""
    stored = {cell: records for cell in todo if (records := store.read(cell)) is not None}
    complete = {
        cell: records
        for cell, records in stored.items()
        if cell.recipe.keep == "none"
        or all(store.has_weights(r) for r in records if r.selected and r.score is not None)
    }
    watcher.missing_weights(len(stored) - len(complete))
    return {
        cell: records
        for cell, records in complete.items()
        if not (retry_failed and _failed(records))
    }


def _import_ahead(tracking: Tracking) -> None:
    """Import what takes seconds and is needed after training: to measure, report and track."""
    with suppress(Exception):  # raised again where it is used
        import lagbench.run.cell  # noqa: F401
        from lagbench.report import page
        from lagbench.tracking import runs

        page.prepare()
        if tracking.mode != "disabled":
            runs.prepare()


def _failed(records: list[Record]) -> bool:
    return any(record.status in Status.failures() for record in records)


def _same_report(before: Run, now: Run, store: Store) -> bool:
    """Whether the report would be written again unchanged, except for when and how long."""
    varying = {"started", "seconds", "reported", "command"}
    same = before.model_dump(exclude=varying) == now.model_dump(exclude=varying)
    return before.reported and same and all((store.out / name).is_file() for name in WRITTEN)


def _write_report(store: Store, report: Run) -> tuple["Tables", list[Path]]:
    """Write all that is derived from the records: the tables, and the paths of files."""
    from lagbench.report.page import write_report  # imports Altair: seconds

    with os_errors_as_user_errors(store.out):
        return write_report(store.out, report, *store.reported(report))


def _new_run(config: RunConfig, todo: list[Cell], store: Store, before: Run | None) -> Run:
    """The description of the folder, including cells of earlier runs that are not replaced."""
    keys, cell_ids = {cell.key for cell in todo}, {cell.cell_id for cell in todo}
    older: list[str] = []
    if before is not None and not keys.issuperset(before.cells):
        ids = {record.cell: record.cell_id for record in store.reported(before)[0]}
        older = [key for key in before.cells if key in ids and ids[key] not in cell_ids]
    return Run(
        suite=config.suite.name,
        description=config.suite.description,
        command=shlex.join(config.command),
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=before.seconds if before is not None else 0,
        versions=versions(),
        commit=commit(),
        machine=device_name(config.device),
        workers=config.executor.workers,
        cells=(*older, *(cell.key for cell in todo)),
    )


def _unmeasured(records: Mapping[Cell, Sequence[Record]], store: Store) -> list[Cell]:
    """Trained cells whose speed is unknown, or was measured beside other processes."""

    def measured(cell: Cell) -> bool:
        throughput = store.read_throughput(cell)
        return throughput is not None and throughput.undisturbed is not False

    return [
        cell
        for cell, trials in records.items()
        if any(trial.status is Status.OK for trial in trials) and not measured(cell)
    ]


def _measure(todo: Sequence[Cell], store: Store, device: str, watcher: Watcher) -> None:
    """Measure the speed of one cell's model after another, in this process."""
    import torch

    from lagbench.cost.throughput import throughput
    from lagbench.run.cell import make_job  # imports Lightning: seconds
    from lagbench.spec.pairing import Unsupported

    with single_thread():
        for index, cell in enumerate(todo):
            watcher.measured(index, len(todo))
            names = cell.architecture.name, cell.task.name
            try:
                job = make_job(cell)
                assert not isinstance(job, Unsupported)
                speed = throughput(job, names, torch.device(device))
            except (Exception, SystemExit) as error:
                reason = describe_failure(error)[1]
                watcher.warned(f"The speed of {' on '.join(names)} is not known: {reason}.")
            else:
                store.write_throughput(cell, speed)
