"""Executors on this machine: worker processes of one thread each, or this process."""

import os
import queue
import signal
import sys
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import CancelledError
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import parent_process
from multiprocessing.connection import Connection
from threading import Event as Flag
from threading import Thread
from typing import Any

from pebble import ProcessExpired, ProcessPool

from lagbench import registry
from lagbench.contract import UserError
from lagbench.record import Status
from lagbench.run.config import Limits, WorkerConfig
from lagbench.run.executor import (
    Event,
    Finished,
    Listener,
    configure_single_thread,
    low_memory,
    run_tracked_cell,
    single_thread,
)
from lagbench.run.executors import forkserver
from lagbench.run.failures import failed_records
from lagbench.run.machine import limit_memory
from lagbench.spec.cell import Cell

START_ATTEMPTS = 3


@dataclass(frozen=True)
class Inline:
    """Computes cells in this process, one after another: to step through with a debugger."""

    workers: int = 1
    in_process: bool = True

    def execute(
        self, cells: Sequence[Cell], config: WorkerConfig, listen: Listener
    ) -> Generator[Finished, None, None]:
        if config.limits != Limits():
            raise UserError("Cells have no limits where the executor is inline.")
        with single_thread():
            for cell in cells:
                yield run_tracked_cell(cell, config, listen)


@dataclass(frozen=True)
class Local:
    """Computes cells in worker processes, each on a core of its own where there are as many."""

    workers: int
    in_process: bool = False

    def execute(
        self, cells: Sequence[Cell], config: WorkerConfig, listen: Listener
    ) -> Generator[Finished, None, None]:
        for name, value in forkserver.WORKER_ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        available = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
        pinned = len(available) == self.workers
        cores: list[int | None] = [*available] if pinned else [None] * self.workers
        slots = [_Slot(config, listen, core) for core in cores[: len(cells)]]
        waiting: queue.SimpleQueue[Cell] = queue.SimpleQueue()
        done: queue.SimpleQueue[Finished | BaseException] = queue.SimpleQueue()
        for cell in cells:
            waiting.put(cell)
        try:
            for slot in slots:
                Thread(target=slot.serve, args=(waiting, done), daemon=True).start()
            for _ in cells:
                result = done.get()
                if isinstance(result, BaseException):
                    raise result
                yield result
        finally:
            for slot in slots:
                slot.close()


class _Slot:
    """A thread that feeds waiting cells to one worker process, replacing it when it dies."""

    def __init__(self, config: WorkerConfig, listen: Listener, core: int | None) -> None:
        self.config, self.listen, self.core = config, listen, core
        self.worker: Worker | None = None
        self.closed = Flag()

    def serve(
        self,
        waiting: "queue.SimpleQueue[Cell]",
        done: "queue.SimpleQueue[Finished | BaseException]",
    ) -> None:
        """Take cells and put their results until none is left."""
        try:
            while not self.closed.is_set():
                done.put(self._compute(waiting.get_nowait()))
        except queue.Empty:
            pass
        except BaseException as error:
            done.put(error)
        finally:
            self._stop_worker()

    def close(self) -> None:
        """End the worker at once."""
        self.closed.set()
        self._stop_worker()

    def _compute(self, cell: Cell) -> Finished:
        """Compute a cell, and again in a fresh worker if that died or was out of memory.

        The second time training batches are drawn one by one, which takes less memory and changes
        no bit.
        """
        try:
            result = self._try(cell, self.config)
            if result.status is not Status.OUT_OF_MEMORY:
                return result
        except WorkerDiedError:
            pass
        self._stop_worker()
        try:
            return self._try(cell, low_memory(self.config))
        except WorkerDiedError as error:
            self._stop_worker()
            reason = f"its worker died, twice: {error}"
            return Finished(cell, failed_records(cell, self.config, Status.FAILED, reason))

    def _try(self, cell: Cell, config: WorkerConfig) -> Finished:
        try:
            return self._get_worker().run(cell, config)
        except TimeoutError:
            self._stop_worker()
            reason = f"it was not done after {config.limits.seconds:g} s"
            return Finished(cell, failed_records(cell, self.config, Status.TIMEOUT, reason))

    def _get_worker(self) -> "Worker":
        """The worker, started if there is none. Raises `UserError` where none can be started."""
        for _ in range(START_ATTEMPTS):
            if self.worker is not None:
                return self.worker
            if self.closed.is_set():
                break
            with suppress(WorkerDiedError):
                self.worker = Worker(self.config, self.core, self.listen)
        raise UserError(f"No worker process could be started, {START_ATTEMPTS} times.")

    def _stop_worker(self) -> None:
        worker, self.worker = self.worker, None
        if worker is not None:
            worker.stop()


class WorkerDiedError(Exception):
    """A worker process ended by itself; the message says how."""


class Worker:
    """A process that computes one cell at a time.

    It is a pool of one process, so that a pipe or lock that a dying process leaves broken was used
    by no other.
    """

    def __init__(self, config: WorkerConfig, core: int | None, listen: Listener) -> None:
        """Start the process and wait until it is ready. Raises `WorkerDiedError`.

        core: the core to run on; None: any. listen: called in a thread with the worker's events.
        """
        events, self._events = forkserver.CONTEXT.Pipe(duplex=False)
        Thread(target=_forward, args=(events, listen), daemon=True).start()
        arguments = config, core, self._events, dict(os.environ)
        forkserver.start()
        self._pool = ProcessPool(
            1, context=forkserver.CONTEXT, initializer=_initialise_worker, initargs=arguments
        )
        self._process: int = self._call(None, os.getpid)

    def run(self, cell: Cell, config: WorkerConfig) -> Finished:
        """Compute a cell. Raises `WorkerDiedError`, or `TimeoutError` where it takes too long."""
        result: Finished = self._call(config.limits.seconds, _run_in_worker, cell, config)
        return result

    def stop(self) -> None:
        """End the process at once, whatever it does."""
        self._pool.stop()  # type: ignore[no-untyped-call]
        with suppress(ProcessLookupError):
            os.kill(self._process, signal.SIGKILL)
        Thread(target=self._pool.join, daemon=True).start()  # a broken pipe would block for ever
        self._events.close()

    def _call(self, seconds: float | None, function: Callable[..., Any], *args: Any) -> Any:
        try:
            return self._pool.schedule(function, args=args).result(seconds)
        except ProcessExpired as error:
            code = error.exitcode
            cause = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
            raise WorkerDiedError(cause) from error
        except (BrokenProcessPool, CancelledError) as error:
            raise WorkerDiedError("it was gone before it began") from error


def _forward(events: "Connection[Any, Any]", listen: Listener) -> None:
    with suppress(EOFError, OSError):
        while True:
            listen(events.recv())


# --- in the worker process --------------------------------------------------------------------

_EVENTS: "Connection[Any, Any]"


def _initialise_worker(
    config: WorkerConfig,
    core: int | None,
    events: "Connection[Any, Any]",
    environment: dict[str, str],
) -> None:
    """Prepare a fresh process: one thread, every name registered, its memory limited.

    It ends when its parent does. What it prints goes to standard error, so that standard output
    holds only the command's own.
    """
    global _EVENTS
    _EVENTS = events
    forkserver.apply_environment(environment)
    Thread(target=_end_with_parent, daemon=True).start()
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    if core is not None:
        os.sched_setaffinity(0, {core})
    configure_single_thread()
    registry.discover(config.plugins)
    if config.limits.memory is not None:
        limit_memory(config.limits.memory)


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _run_in_worker(cell: Cell, config: WorkerConfig) -> Finished:
    def send(event: Event) -> None:
        with suppress(OSError):  # nobody listens any more
            _EVENTS.send(event)

    return run_tracked_cell(cell, config, send)
