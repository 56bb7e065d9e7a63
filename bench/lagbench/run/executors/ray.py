"""A Ray cluster: cells are tasks on any node, and their records return to this process.

No file system is shared. Plugins are sent along, and so are files and folders that a field of a
task names by a relative path. Absolute paths, and LagBench itself, must exist on every node.
"""

import logging
import math
import os
import shutil
import tempfile
import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Thread
from typing import Any

import ray
from ray.exceptions import OutOfMemoryError, RayError, RayTaskError
from ray.util.queue import Queue
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from lagbench import registry
from lagbench.contract import UserError
from lagbench.record import CellId, Record, Status
from lagbench.run.config import NO_TRACKING, WorkerConfig
from lagbench.run.executor import (
    Event,
    Finished,
    Listener,
    configure_single_thread,
    low_memory,
    run_tracked_cell,
)
from lagbench.run.executors.forkserver import WORKER_ENVIRONMENT
from lagbench.run.failures import failed_records
from lagbench.run.machine import limit_memory
from lagbench.spec.cell import Cell, CellNames
from lagbench.tracking import CellRuns

RETRIES = 2  # of a cell whose worker or node dies
PLUGINS = Path("plugins")  # the folder of those that are sent along


@dataclass(frozen=True)
class Cluster:
    """A Ray cluster: the address of one, or `auto` for that of this machine.

    gpus: the share of a GPU for each cell, where cells compute on one.
    """

    address: str
    gpus: float = 1.0
    workers: int | None = None  # as many as the cluster has room for
    in_process: bool = False

    def execute(
        self, cells: Sequence[Cell], config: WorkerConfig, listen: Listener
    ) -> Generator[Finished, None, None]:
        if cells:
            with connected(self.address, cells, config):
                yield from _RayRun(self, config, listen).run(cells)


@contextmanager
def connected(address: str, cells: Iterable[Cell], config: WorkerConfig) -> Iterator[None]:
    """Connect to the cluster, and send along what its workers need."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    with tempfile.TemporaryDirectory(prefix="lagbench-") as folder:
        _pack(Path(folder), cells, config.plugins)
        environment = {"working_dir": folder, "env_vars": WORKER_ENVIRONMENT}
        try:
            ray.init(
                address, runtime_env=environment, log_to_driver=False, logging_level=logging.ERROR
            )
        except (ConnectionError, ValueError, RuntimeError) as error:
            reason = str(error).partition("\n")[0]
            raise UserError(f"There is no Ray cluster at {address!r}: {reason}") from error
        try:
            yield
        finally:
            ray.shutdown()


def _pack(folder: Path, cells: Iterable[Cell], plugins: Iterable[Path]) -> None:
    """Copy plugins, and files that tasks name by relative paths, into a folder to be sent along."""
    for index, plugin in enumerate(plugins):
        target_folder = folder / PLUGINS / str(index)
        target_folder.mkdir(parents=True)
        shutil.copy(plugin, target_folder)
    paths = {str(value) for cell in cells for value in cell.task.fields.values()}
    for path in map(Path, paths):
        if path.is_absolute() or ".." in path.parts or not path.parts or not path.exists():
            continue
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            shutil.copytree(path, target, dirs_exist_ok=True)
        else:
            shutil.copy(path, target)


class _RayRun:
    """The tasks of one run: sends cells, listens to their events, collects their results."""

    def __init__(self, cluster: Cluster, config: WorkerConfig, listen: Listener) -> None:
        self.config, self.listen = config, listen
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        self.events = Queue(actor_options={"num_cpus": 0, "scheduling_strategy": here})
        self.task = ray.remote(_run_on_node).options(
            num_cpus=1,
            num_gpus=0 if config.device == "cpu" else cluster.gpus,
            memory=config.limits.memory,
            max_retries=RETRIES,
        )
        self.started: dict[CellId, float] = {}  # by `time.monotonic`
        self.running: dict[Any, tuple[Cell, WorkerConfig]] = {}
        self.cancelled: set[Any] = set()

    def run(self, cells: Sequence[Cell]) -> Generator[Finished, None, None]:
        """Send all cells, and yield each when it is done."""
        Thread(target=self._forward_events, daemon=True).start()
        for cell in cells:
            self._send(cell, self.config)
        try:
            while self.running:
                done, _ = ray.wait(list(self.running), timeout=1)
                for reference in done:
                    yield from self._received(reference)
                self._cancel_overdue()
        finally:
            for reference in self.running:
                ray.cancel(reference, force=True)
            self.events.shutdown(force=True)

    def _send(self, cell: Cell, config: WorkerConfig) -> None:
        away = replace(config, cache=None, tracking=NO_TRACKING)
        reference = self.task.remote(cell.names, away, self.events)
        self.running[reference] = cell, config

    def _received(self, reference: Any) -> Iterator[Finished]:
        """Yield a finished cell, unless it was out of memory and is sent again to use less."""
        cell, config = self.running.pop(reference)
        done = self._outcome(reference, cell)
        if done.status is Status.OUT_OF_MEMORY and config == self.config:
            self._send(cell, low_memory(config))
        else:
            yield replace(done, warning=_track(done, self.config))

    def _outcome(self, reference: Any, cell: Cell) -> Finished:
        try:
            return Finished(cell, *ray.get(reference))
        except RayTaskError:
            raise  # not the fault of the cell
        except OutOfMemoryError:
            status, reason = Status.OUT_OF_MEMORY, "out of memory: its node had none left"
        except RayError as error:
            status = Status.FAILED
            reason = f"its worker died, {RETRIES + 1} times: {' '.join(str(error).split())[:200]}"
            if reference in self.cancelled:
                status = Status.TIMEOUT
                reason = f"it was not done after {self.config.limits.seconds:g} s"
        return Finished(cell, failed_records(cell, self.config, status, reason))

    def _cancel_overdue(self) -> None:
        limit = self.config.limits.seconds
        if limit is None:
            return
        for reference, (cell, _) in self.running.items():
            started = self.started.get(cell.cell_id, math.inf)
            if reference not in self.cancelled and time.monotonic() - started > limit:
                self.cancelled.add(reference)
                ray.cancel(reference, force=True)

    def _forward_events(self) -> None:
        with suppress(RayError):  # the queue is gone: the run has ended
            while True:
                event: Event = self.events.get()
                if not event.points:
                    self.started[event.cell_id] = time.monotonic()
                self.listen(event)


def _track(done: Finished, config: WorkerConfig) -> str | None:
    """Log a cell to W&B in this process; returns W&B's warning if any."""
    runs = CellRuns(config.tracking, config.suite, done.cell)
    for index, record in enumerate(done.records):
        for point in record.curve:
            runs.log({index: point})
    runs.finish(done.records)
    return runs.warning


# --- on a node --------------------------------------------------------------------------------


def _run_on_node(
    names: CellNames, config: WorkerConfig, events: Queue
) -> tuple[list[Record], dict[str, bytes]]:
    """Compute a cell as a Ray task, in the folder that was sent along.

    Returns its records and the weights to keep.
    """
    configure_single_thread()
    registry.discover(sorted(PLUGINS.glob("*/*.py"), key=lambda path: int(path.parent.name)))
    if config.limits.memory is not None:
        limit_memory(config.limits.memory)

    def send(event: Event) -> None:
        with suppress(RayError):  # nobody listens any more
            events.put_nowait(event)

    done = run_tracked_cell(Cell.from_names(*names), config, send)
    return done.records, done.weights
