"""Who does the work: what an executor is given, what it gives back, and how a cell is worked on.

The executors themselves lie in `lagbench.run.executors`, a file each.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import torch

from lagbench.record import Point, Record, Status
from lagbench.run.failures import CellContext
from lagbench.spec.cell import Cell
from lagbench.tracking import CellRuns, Tracking

CellId = tuple[str, str, int]  # architecture, task, length


@dataclass(frozen=True)
class Event:
    """A cell that was begun (no points yet) or evaluated."""

    cell_id: CellId
    points: dict[int, Point] = field(default_factory=dict)  # by trial of the cell


@dataclass(frozen=True)
class Finished:
    """A cell that is done: its records, packed weights to keep by trial, what W&B had to say."""

    cell: Cell
    records: list[Record]
    weights: dict[str, bytes] = field(default_factory=dict)
    warning: str | None = None

    @property
    def status(self) -> Status:
        """How its first trial ended; where a cell as a whole came to nothing, how it did."""
        return self.records[0].status


@dataclass(frozen=True)
class Limits:
    """What a cell may take; None: as much as there is."""

    seconds: float | None = None
    memory: int | None = None  # bytes, on top of what an idle worker has


@dataclass(frozen=True)
class WorkerConfig:
    """What a worker needs before its first cell; nothing here decides a number."""

    setting: CellContext
    tracking: Tracking
    plugins: tuple[Path, ...] = ()
    limits: Limits = Limits()


Listener = Callable[[Event], None]


class Executor(Protocol):
    """Something that runs cells, somewhere."""

    @property
    def workers(self) -> int:
        """How many cells it runs at once; 0: it runs them in this process."""

    def execute(
        self, cells: Sequence[Cell], setup: WorkerConfig, listen: Listener
    ) -> Generator[Finished, None, None]:
        """Run cells and yield each when it is done, whatever became of it.

        Closed or interrupted, it ends the work that goes on, and nothing of it is kept.
        listen: told of what goes on, from another thread. Raises `UserError` where it cannot work.
        """


def work(cell: Cell, setup: WorkerConfig, listen: Listener) -> Finished:
    """Run a cell in this process, and track it."""
    from lagbench.run.cell import run_cell  # seconds: not where nothing is trained

    listen(Event(cell.cell_id))
    runs = CellRuns(setup.tracking, setup.setting.suite, cell)

    def watch(points: dict[int, Point]) -> None:
        runs.log(points)
        listen(Event(cell.cell_id, points))

    weights: dict[str, bytes] = {}
    records = run_cell(cell, setup.setting, watch, weights.__setitem__)
    runs.finish(records)
    return Finished(cell, records, weights, runs.warning)


def frugal(setup: WorkerConfig) -> WorkerConfig:
    """The setup that needs the least memory of those that give the same numbers.

    Running replicas in turn would need less still, but rounds otherwise: a trial's numbers would
    depend on what else the machine was doing.
    """
    return replace(setup, setting=replace(setup.setting, chunk=1))


def compute_alone() -> None:
    """Make this process compute on one thread, and numbers too small for the format be zero.

    Gradients that vanish would end as denormal numbers, on which a processor takes ten times as
    long: a simple RNN over 128 steps trained at a ninth of the speed.
    """
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)


@contextmanager
def computing_alone() -> Iterator[None]:
    """Compute alone, and leave the process as it was."""
    threads = torch.get_num_threads()
    compute_alone()
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.set_flush_denormal(False)
