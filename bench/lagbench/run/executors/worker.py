"""A worker process: how it is started, limited, listened to and ended."""

import os
import signal
import sys
from collections.abc import Callable
from concurrent.futures import CancelledError
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from multiprocessing import parent_process
from multiprocessing.connection import Connection
from threading import Thread
from typing import Any

from pebble import ProcessExpired, ProcessPool

from lagbench import registry
from lagbench.run.executor import Event, Finished, Listener, WorkerConfig, compute_alone, work
from lagbench.run.executors import forkserver
from lagbench.run.executors.forkserver import CONTEXT
from lagbench.run.memory import limit_memory
from lagbench.spec.cell import Cell


class DiedError(Exception):
    """A worker ended of itself; the message says how."""


class Worker:
    """A process that works on one cell at a time.

    It is a pool of one, so that what a dying process leaves torn, a pipe or a lock, was its own.
    """

    def __init__(self, setup: WorkerConfig, core: int | None, listen: Listener) -> None:
        """Start it, and wait until it is ready. Raises `DiedError`.

        core: the one that it computes on; None: any. listen: told, in a thread, what it tells.
        """
        events, self._events = CONTEXT.Pipe(duplex=False)
        Thread(target=_forward, args=(events, listen), daemon=True).start()
        given = setup, core, self._events, dict(os.environ)
        forkserver.start()
        self._pool = ProcessPool(1, context=CONTEXT, initializer=_prepare, initargs=given)
        self._process: int = self._awaited(None, os.getpid)

    def run(self, cell: Cell, setup: WorkerConfig) -> Finished:
        """Work on a cell. Raises `DiedError`, or `TimeoutError` where it takes too long."""
        found: Finished = self._awaited(setup.limits.seconds, _work, cell, setup)
        return found

    def stop(self) -> None:
        """End it at once, whatever it does."""
        self._pool.stop()  # type: ignore[no-untyped-call]
        with suppress(ProcessLookupError):
            os.kill(self._process, signal.SIGKILL)
        Thread(target=self._pool.join, daemon=True).start()  # a torn pipe would keep us for ever
        self._events.close()

    def _awaited(self, seconds: float | None, call: Callable[..., Any], *given: Any) -> Any:
        try:
            return self._pool.schedule(call, args=given).result(seconds)
        except ProcessExpired as error:
            raise DiedError(_cause(error.exitcode)) from error
        except (BrokenProcessPool, CancelledError) as error:
            raise DiedError("it was gone before it began") from error


def _cause(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def _forward(events: "Connection[Any, Any]", listen: Listener) -> None:
    with suppress(EOFError, OSError):
        while True:
            listen(events.recv())


# --- in the worker ----------------------------------------------------------------------------

_EVENTS: "Connection[Any, Any]"


def _prepare(
    setup: WorkerConfig,
    core: int | None,
    events: "Connection[Any, Any]",
    environment: dict[str, str],
) -> None:
    """Make a fresh process a worker: one thread, every name known, as much memory as it may have.

    It ends when the process that started it does. What it prints goes to standard error, so that
    standard output holds what the command was asked for.
    """
    global _EVENTS
    _EVENTS = events
    forkserver.adopt(environment)
    Thread(target=_end_with_parent, daemon=True).start()
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    if core is not None:
        os.sched_setaffinity(0, {core})
    compute_alone()
    registry.discover(setup.plugins)
    if setup.limits.memory is not None:
        limit_memory(setup.limits.memory)


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _work(cell: Cell, setup: WorkerConfig) -> Finished:
    def tell(event: Event) -> None:
        with suppress(OSError):  # nobody listens any more
            _EVENTS.send(event)

    return work(cell, setup, tell)
