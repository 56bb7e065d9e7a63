"""Worker processes on this machine, one thread each: warm, limited, and replaced when they die."""

import os
import queue
from collections.abc import Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from threading import Event as Flag
from threading import Thread

from lagbench.contract import UserError
from lagbench.record import Status
from lagbench.run.executor import Finished, Listener, WorkerConfig, frugal
from lagbench.run.executors.environment import WORKER_ENVIRONMENT
from lagbench.run.executors.worker import DiedError, Worker
from lagbench.run.failures import ended
from lagbench.spec.cell import Cell

STARTS = 3  # how often the start of a worker is tried


@dataclass(frozen=True)
class Local:
    """So many worker processes; each has a core to itself where there are just as many cores."""

    workers: int

    def execute(
        self, cells: Sequence[Cell], setup: WorkerConfig, listen: Listener
    ) -> Generator[Finished, None, None]:
        """As declared."""
        for name, value in WORKER_ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        slots = [_Slot(setup, listen, core) for core in self._cores()[: len(cells)]]
        waiting: queue.SimpleQueue[Cell] = queue.SimpleQueue()
        done: queue.SimpleQueue[Finished | BaseException] = queue.SimpleQueue()
        for cell in cells:
            waiting.put(cell)
        try:
            for slot in slots:
                Thread(target=slot.serve, args=(waiting, done), daemon=True).start()
            for _ in cells:
                found = done.get()
                if isinstance(found, BaseException):
                    raise found
                yield found
        finally:
            for slot in slots:
                slot.close()

    def _cores(self) -> list[int | None]:
        """A core for every worker; None: any."""
        available = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
        return [*available] if len(available) == self.workers else [None] * self.workers


class _Slot:
    """A thread that has one worker after another work through the waiting cells."""

    def __init__(self, setup: WorkerConfig, listen: Listener, core: int | None) -> None:
        self.setup, self.listen, self.core = setup, listen, core
        self.worker: Worker | None = None
        self.closed = Flag()

    def serve(
        self,
        waiting: "queue.SimpleQueue[Cell]",
        done: "queue.SimpleQueue[Finished | BaseException]",
    ) -> None:
        """Take cells, and give what became of them, until none is left."""
        try:
            while not self.closed.is_set():
                done.put(self._worked(waiting.get_nowait()))
        except queue.Empty:
            pass
        except BaseException as error:
            done.put(error)
        finally:
            self._dismiss()

    def close(self) -> None:
        """End whatever goes on."""
        self.closed.set()
        self._dismiss()

    def _worked(self, cell: Cell) -> Finished:
        """Work on a cell; once more in a fresh worker if that died or had too little memory.

        The second time training batches are drawn one by one, which takes less and changes no bit.
        """
        try:
            found = self._tried(cell, self.setup)
            if found.status is not Status.OUT_OF_MEMORY:
                return found
        except DiedError:
            pass
        self._dismiss()
        try:
            return self._tried(cell, frugal(self.setup))
        except DiedError as error:
            self._dismiss()
            return _ended(cell, self.setup, Status.FAILED, f"its worker died, twice: {error}")

    def _tried(self, cell: Cell, setup: WorkerConfig) -> Finished:
        try:
            return self._employed().run(cell, setup)
        except TimeoutError:
            self._dismiss()
            reason = f"it was not done after {setup.limits.seconds:g} s"
            return _ended(cell, setup, Status.TIMEOUT, reason)

    def _employed(self) -> Worker:
        """The worker, a new one if there is none. Raises `UserError` where none can be started."""
        for _ in range(STARTS):
            if self.worker is not None:
                return self.worker
            if self.closed.is_set():
                break
            with suppress(DiedError):
                self.worker = Worker(self.setup, self.core, self.listen)
        raise UserError(f"No worker process could be started, {STARTS} times.")

    def _dismiss(self) -> None:
        worker, self.worker = self.worker, None
        if worker is not None:
            worker.stop()


def _ended(cell: Cell, setup: WorkerConfig, status: Status, reason: str) -> Finished:
    return Finished(cell, ended(cell, setup.setting, status, reason))
