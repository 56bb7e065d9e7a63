"""One cell after another in this process: to step through with a debugger."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass

from lagbench.contract import UserError
from lagbench.run.executor import Finished, Limits, Listener, WorkerConfig, computing_alone, work
from lagbench.spec.cell import Cell


@dataclass(frozen=True)
class Inline:
    """Works in this process, which it cannot limit."""

    workers: int = 0

    def execute(
        self, cells: Sequence[Cell], setup: WorkerConfig, listen: Listener
    ) -> Generator[Finished, None, None]:
        """As declared."""
        if setup.limits != Limits():
            raise UserError("Cells have no limits where the executor is inline.")
        with computing_alone():
            for cell in cells:
                yield work(cell, setup, listen)
