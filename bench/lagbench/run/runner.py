"""Running a suite: what is missing is trained, then measured, then everything is reported."""

import shlex
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread

from lagbench.device import device_name
from lagbench.record import Record, Run, Status
from lagbench.run.executor import Event, Executor, Finished, Limits, WorkerConfig
from lagbench.run.failures import CellContext
from lagbench.run.lock import held
from lagbench.run.machine import commit, versions
from lagbench.run.speeds import measure, unmeasured
from lagbench.run.store import Store, accessing
from lagbench.spec.cell import Cell
from lagbench.spec.suite import Suite, cells
from lagbench.tracking import SuiteRuns, Tracking

WRITTEN = ("trials.csv", "summary.csv", "report.md", "report.html")  # last of all, the report
FAILURES = (Status.FAILED, Status.TIMEOUT, Status.OUT_OF_MEMORY)


@dataclass(frozen=True)
class RunConfig:
    """What to run, where to, and how; nothing here decides a number."""

    suite: Suite
    out: Path
    executor: Executor
    tracking: Tracking
    plugins: tuple[Path, ...] = ()
    device: str = "cpu"
    command: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)
    retry_failed: bool = False  # train cells again that failed, ran out of time or of memory


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


def run(order: RunConfig, watcher: Watcher) -> Run:
    """Train what is missing, measure it, write every table and report; returns how it went.

    Killed and started again, it does only what is missing. Raises `UserError`, before anything is
    written, where the suite does not hold together or another run holds the folder.
    """
    todo = cells(order.suite)
    with held(order.out):
        return _run(order, todo, Store(order.out, watcher.warned), watcher)


def rewrite(out: Path, warn: Callable[[str], None] = lambda _: None) -> Run:
    """Derive every table and report of a folder from its records again."""
    store = Store(out, warn)
    report = store.known_run()
    _report(store, report)
    return report


def trained(
    order: RunConfig,
    missing: list[Cell],
    store: Store,
    watcher: Watcher,
    runs: SuiteRuns,
    ahead: Thread | None = None,
) -> dict[Cell, list[Record]]:
    """Train what is missing; its records, each kept as soon as it is there.

    ahead: what is imported meanwhile. It comes to its end before this thread imports, for two at
    once can each wait for what the other has begun.
    """
    setting = CellContext(order.suite.name, store.cache, order.device)
    setup = WorkerConfig(setting, order.tracking, order.plugins, order.limits)
    longest_first = sorted(missing, key=lambda cell: cell.cost, reverse=True)
    found = {}
    with closing(order.executor.execute(longest_first, setup, watcher.heard)) as finished:
        for done in finished:
            if ahead is not None and ahead.is_alive():
                ahead.join()
            for key, packed in done.weights.items():
                store.write_weights(key, packed)
            store.write(done.records)
            found[done.cell] = done.records
            runs.ended(done.cell, done.records)
            watcher.finished(done)
    return found


def present(
    todo: list[Cell], store: Store, retry_failed: bool, watcher: Watcher
) -> dict[Cell, list[Record]]:
    """The records of the cells that are there, but for those that are to be trained again."""
    found = {cell: records for cell in todo if (records := store.read(cell)) is not None}
    whole = {cell: records for cell, records in found.items() if _kept(cell, records, store)}
    watcher.weightless(len(found) - len(whole))
    return {cell: own for cell, own in whole.items() if not (retry_failed and _failed(own))}


def _run(order: RunConfig, todo: list[Cell], store: Store, watcher: Watcher) -> Run:
    started = time.monotonic()
    before = store.read_run()
    found = present(todo, store, order.retry_failed, watcher)
    missing = [cell for cell in todo if cell not in found]
    watcher.planned(missing, list(found.values()))
    _tell_of_failures(found, watcher)
    report = _described(order, todo, store, before)
    slow = unmeasured(found, store)
    if before is not None and not missing and not slow and _says_the_same(before, report, store):
        return before
    store.write_run(report)
    trials = sum(len(cell.pairs) for cell in todo)
    with SuiteRuns(order.tracking, order.suite.name, trials) as runs:
        ahead = Thread(target=_import_ahead, args=(order.tracking,), daemon=True)
        if missing and order.executor.workers:  # others compute: this process would only wait
            ahead.start()
        found |= trained(order, missing, store, watcher, runs, ahead)
        runs.settle()
        measure(unmeasured(found, store), store, order.device, watcher.measured, watcher.warned)
        seconds = report.seconds + time.monotonic() - started
        report = report.model_copy(update={"seconds": seconds, "reported": True})
        runs.finish(report, _report(store, report))
    for warning in runs.warnings:
        watcher.warned(warning)
    store.write_run(report)
    return report


def _import_ahead(tracking: Tracking) -> None:
    """Import what takes seconds and is needed once all is trained: to measure, report and track."""
    with suppress(Exception):  # whoever needs it says what is wrong with it
        import lagbench.run.cell  # noqa: F401
        from lagbench.report import page
        from lagbench.tracking import opening

        page.prepare()
        if tracking.mode != "disabled":
            opening.prepare()


def _kept(cell: Cell, records: list[Record], store: Store) -> bool:
    """Whether there is all that the recipe keeps of a cell that is done."""
    scored = [record for record in records if record.selected and record.score is not None]
    return cell.recipe.keep == "none" or all(map(store.has_weights, scored))


def _failed(records: list[Record]) -> bool:
    return any(record.status in FAILURES for record in records)


def _tell_of_failures(found: dict[Cell, list[Record]], watcher: Watcher) -> None:
    count = sum(map(_failed, found.values()))
    if count:
        told = "1 cell" if count == 1 else f"{count} cells"
        watcher.warned(f"{told} failed before and stay so; --retry-failed trains them again.")


def _says_the_same(before: Run, now: Run, store: Store) -> bool:
    """Whether the report that is there would be written again, but for when and how long."""
    chance = {"started", "seconds", "reported", "command"}
    same = before.model_dump(exclude=chance) == now.model_dump(exclude=chance)
    return before.reported and same and all((store.out / name).is_file() for name in WRITTEN)


def _report(store: Store, report: Run) -> list[Path]:
    """Write all that is derived from the records; returns the paths of tables and pages."""
    from lagbench.report.page import write_report  # seconds: not where nothing is reported

    with accessing(store.out):
        return write_report(store.out, report, *store.reported(report))


def _described(order: RunConfig, todo: list[Cell], store: Store, before: Run | None) -> Run:
    """How the folder came about, cells of earlier runs that these do not replace included."""
    return Run(
        suite=order.suite.name,
        description=order.suite.description,
        command=shlex.join(order.command),
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=before.seconds if before is not None else 0,
        versions=versions(),
        commit=commit(),
        machine=device_name(order.device),
        workers=order.executor.workers,
        cells=(*_older(todo, store, before), *(cell.key for cell in todo)),
    )


def _older(todo: list[Cell], store: Store, before: Run | None) -> list[str]:
    """The cells of earlier runs that none of these replaces."""
    keys, places = {cell.key for cell in todo}, {cell.cell_id for cell in todo}
    if before is None or keys.issuperset(before.cells):
        return []
    records, _ = store.reported(before)
    older = {record.cell: record.cell_id for record in records}
    return [key for key in before.cells if key in older and older[key] not in places]
