"""Running a suite: what is missing is trained, then measured, then everything is reported."""

import shlex
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench.contract import InputError
from bench.matching import Skip
from bench.record import Record, Run, Status, Throughput
from bench.report.page import write_report
from bench.report.tables import Results, derive
from bench.run.cell import Setting, job_of
from bench.run.executor import Event, Finished, Setup, computing_alone, execute
from bench.run.machine import commit, device_name, versions
from bench.run.store import Store
from bench.run.suite import Suite, cells
from bench.run.trial import Cell
from bench.speed.throughput import throughput
from bench.tracking import SuiteRuns, Tracking


@dataclass(frozen=True)
class Order:
    """What to run, where to, and how; nothing here decides a number."""

    suite: Suite
    out: Path
    workers: int
    tracking: Tracking
    plugins: tuple[Path, ...] = ()
    device: str = "cpu"
    command: tuple[str, ...] = ()


class Watcher:
    """What a run tells while it goes on; this one listens to nothing."""

    def planned(self, missing: list[Cell], present: list[list[Record]]) -> None:
        """Which cells are to be trained, and the records of those that are there already."""

    def weightless(self, count: int) -> None:
        """So many of these cells were trained before, but without keeping their weights."""

    def heard(self, event: Event) -> None:
        """A cell was begun or evaluated; comes from another thread."""

    def finished(self, done: Finished) -> None:
        """A cell's records are kept."""

    def measured(self, done: int, total: int) -> None:
        """So many cells' throughput is known."""

    def warned(self, sentence: str) -> None:
        """Something is not as it should be, and the run goes on."""


def run(order: Order, watcher: Watcher) -> Run:
    """Train what is missing, measure it, write every table and report; returns how it went.

    Killed and started again, it does only what is missing.
    """
    started = time.monotonic()
    store = Store(order.out)
    todo = cells(order.suite)
    before = store.read_run()
    known = {cell: records for cell in todo if (records := store.read(cell)) is not None}
    present = {cell: records for cell, records in known.items() if _kept(cell, records, store)}
    missing = sorted(
        (cell for cell in todo if cell not in present), key=lambda cell: cell.cost, reverse=True
    )
    watcher.planned(missing, list(present.values()))
    watcher.weightless(len(known) - len(present))
    store.write_run(_described(order, todo, store, before, 0))
    setting = Setting(order.suite.name, store.cache, order.device, store)
    setup = Setup(setting, order.tracking, order.plugins)
    trials = sum(len(cell.pairs) for cell in todo)
    with SuiteRuns(order.tracking, order.suite.name, trials) as runs:
        for done in execute(missing, setup, order.workers, watcher.heard):
            store.write(done.records)
            runs.ended(done.cell, done.records)
            watcher.finished(done)
        runs.settle()
        _measure(todo, store, order, watcher)
        report = _described(order, todo, store, before, time.monotonic() - started)
        store.write_run(report)
        runs.finish(report, write_report(order.out, report, *store.reported(report)))
    for warning in runs.warnings:
        watcher.warned(warning)
    return report


def rewrite(out: Path) -> Run:
    """Derive every table and report of a folder from its records again."""
    report, records, throughputs = _results(out)
    write_report(out, report, records, throughputs)
    return report


def results(out: Path) -> Results:
    """What a folder of results holds, from its records; nothing is written."""
    report, records, throughputs = _results(out)
    return Results(report, tuple(records), derive(records, throughputs))


def _results(out: Path) -> tuple[Run, list[Record], list[Throughput]]:
    store = Store(out)
    report = store.read_run()
    if report is None:
        raise InputError(f"There is no run in {out}: it has no run.json.")
    return report, *store.reported(report)


def _kept(cell: Cell, records: list[Record], store: Store) -> bool:
    """Whether there is all that the recipe keeps of a cell that is done."""
    scored = [record for record in records if record.selected and record.score is not None]
    return cell.recipe.keep == "none" or all(map(store.has_weights, scored))


def _measure(todo: list[Cell], store: Store, order: Order, watcher: Watcher) -> None:
    """Measure the throughput of every cell's model, one at a time, where it is not yet known."""
    with computing_alone():
        for index, cell in enumerate(todo):
            watcher.measured(index, len(todo))
            trained = any(record.status is Status.OK for record in store.read(cell) or ())
            if trained and store.read_throughput(cell) is None:
                job = job_of(cell)
                assert not isinstance(job, Skip)
                names = cell.architecture.name, cell.task.name
                store.write_throughput(cell, throughput(job, names, device_name(order.device)))


def _described(
    order: Order, todo: list[Cell], store: Store, before: Run | None, seconds: float
) -> Run:
    """How the folder came about, cells of earlier runs that these do not replace included."""
    places = {cell.place for cell in todo}
    kept: tuple[str, ...] = ()
    if before is not None:
        records, _ = store.reported(before)
        older = {r.cell: (r.architecture, r.task, r.length) for r in records}
        kept = tuple(key for key in before.cells if key in older and older[key] not in places)
    return Run(
        suite=order.suite.name,
        description=order.suite.description,
        command=shlex.join(order.command),
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=seconds + (before.seconds if before is not None else 0),
        versions=versions(),
        commit=commit(),
        machine=device_name(order.device),
        workers=order.workers,
        cells=(*kept, *(cell.key for cell in todo)),
    )
