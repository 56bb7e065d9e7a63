"""Executors: where cells are computed, and what passes between them and the runner.

The executors are `lagbench.run.executors.local` (worker processes, or this process) and
`lagbench.run.executors.ray` (a cluster).
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Protocol

import torch

from lagbench.record import CellId, Point, Record, Status
from lagbench.run.config import WorkerConfig
from lagbench.spec.cell import Cell
from lagbench.tracking import CellRuns


@dataclass(frozen=True)
class Event:
    """A cell has started (no points yet) or was evaluated.

    points: the new point of the learning curve, by the trial's index in the cell.
    """

    cell_id: CellId
    points: dict[int, Point] = field(default_factory=dict)


Listener = Callable[[Event], None]


@dataclass(frozen=True)
class Finished:
    """A finished cell: its records, packed weights by trial key, and W&B's warning if any."""

    cell: Cell
    records: list[Record]
    weights: dict[str, bytes] = field(default_factory=dict)
    warning: str | None = None

    @property
    def status(self) -> Status:
        """The status of the first trial; of a failed cell, that of all."""
        return self.records[0].status


class Executor(Protocol):
    """Computes cells somewhere."""

    @property
    def workers(self) -> int | None:
        """How many cells it computes at once; None: as many as a cluster has room for."""

    @property
    def in_process(self) -> bool:
        """Whether it computes in this process."""

    def execute(
        self, cells: Sequence[Cell], config: WorkerConfig, listen: Listener
    ) -> Generator[Finished, None, None]:
        """Compute cells and yield each when it is finished, whatever its status.

        Closed or interrupted, it ends the cells that are running, and nothing of them is kept.
        listen: called from another thread. Raises `UserError` where it cannot compute.
        """


def run_tracked_cell(cell: Cell, config: WorkerConfig, listen: Listener) -> Finished:
    """Run a cell in this process, logging to W&B."""
    from lagbench.run.cell import run_cell  # imports Lightning: seconds

    listen(Event(cell.cell_id))
    runs = CellRuns(config.tracking, config.suite, cell)

    def on_points(points: dict[int, Point]) -> None:
        runs.log(points)
        listen(Event(cell.cell_id, points))

    weights: dict[str, bytes] = {}
    records = run_cell(cell, config, on_points, weights.__setitem__)
    runs.finish(records)
    return Finished(cell, records, weights, runs.warning)


def low_memory(config: WorkerConfig) -> WorkerConfig:
    """The configuration that needs the least memory of those that give the same numbers.

    Running replicas in a loop would need less still, but rounds differently.
    """
    return replace(config, group=1)


def configure_single_thread() -> None:
    """Let this process compute on one thread and flush denormal numbers to zero.

    Vanishing gradients end as denormal numbers, on which a processor takes ten times as long: a
    simple RNN over 128 steps trained at a ninth of the speed.
    """
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)


@contextmanager
def single_thread() -> Iterator[None]:
    """`configure_single_thread` within the block only."""
    threads = torch.get_num_threads()
    configure_single_thread()
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.set_flush_denormal(False)
