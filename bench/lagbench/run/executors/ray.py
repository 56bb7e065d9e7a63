"""A Ray cluster: cells as tasks on any node; what they find comes back to this process.

No file system is shared. Plugins are sent along, and so are files and folders that a field of a
task names by a relative path; what is named absolutely must be on every node, and so must LagBench.
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
from lagbench.record import Record, Status
from lagbench.run.executor import (
    CellId,
    Event,
    Finished,
    Listener,
    WorkerConfig,
    compute_alone,
    frugal,
    work,
)
from lagbench.run.executors.environment import WORKER_ENVIRONMENT
from lagbench.run.failures import ended
from lagbench.run.memory import limit_memory
from lagbench.spec.budget import Budget
from lagbench.spec.cell import Cell
from lagbench.spec.recipe import Recipe
from lagbench.tracking import CellRuns, Tracking

NOWHERE = Tracking("disabled", Path())  # a cell is tracked where its records are kept
RETRIES = 2  # of a cell whose worker or node dies
PLUGINS = Path("plugins")  # the folder of those that are sent along


@dataclass(frozen=True)
class Cluster:
    """A Ray cluster: the address of one, or `auto` for that of this machine.

    gpus: the share of one that a cell is given, where cells compute on any.
    """

    address: str
    gpus: float = 1.0
    workers: int = 0  # as many as the cluster has room for

    def execute(
        self, cells: Sequence[Cell], setup: WorkerConfig, listen: Listener
    ) -> Generator[Finished, None, None]:
        """As declared."""
        if cells:
            with connected(self.address, cells, setup):
                yield from _Errand(self, setup, listen).run(cells)


@contextmanager
def connected(address: str, cells: Iterable[Cell], setup: WorkerConfig) -> Iterator[None]:
    """A connection to the cluster, its workers provided with what they need."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    with tempfile.TemporaryDirectory(prefix="lagbench-") as folder:
        _pack(Path(folder), cells, setup.plugins)
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
    """Lay the plugins, and what tasks name by relative paths, into a folder to be sent along."""
    for index, plugin in enumerate(plugins):
        home = folder / PLUGINS / str(index)
        home.mkdir(parents=True)
        shutil.copy(plugin, home)
    named = {str(value) for cell in cells for value in cell.task.fields.values()}
    for path in map(Path, named):
        if path.is_absolute() or ".." in path.parts or not path.parts or not path.exists():
            continue
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            shutil.copytree(path, target, dirs_exist_ok=True)
        else:
            shutil.copy(path, target)


class _Errand:
    """Cells that are under way, and what comes back of them."""

    def __init__(self, cluster: Cluster, setup: WorkerConfig, listen: Listener) -> None:
        self.setup, self.listen = setup, listen
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        self.events = Queue(actor_options={"num_cpus": 0, "scheduling_strategy": here})
        self.task = ray.remote(_work).options(
            num_cpus=1,
            num_gpus=0 if setup.setting.device == "cpu" else cluster.gpus,
            memory=setup.limits.memory,
            max_retries=RETRIES,
        )
        self.begun: dict[CellId, float] = {}  # when, by a clock that only goes on
        self.under_way: dict[Any, tuple[Cell, WorkerConfig]] = {}
        self.cancelled: set[Any] = set()

    def run(self, cells: Sequence[Cell]) -> Generator[Finished, None, None]:
        """Send all cells, and yield each when it is done."""
        Thread(target=self._hear, daemon=True).start()
        for cell in cells:
            self._send(cell, self.setup)
        try:
            while self.under_way:
                done, _ = ray.wait(list(self.under_way), timeout=1)
                for reference in done:
                    yield from self._received(reference)
                self._cancel_what_takes_too_long()
        finally:
            for reference in self.under_way:
                ray.cancel(reference, force=True)
            self.events.shutdown(force=True)

    def _send(self, cell: Cell, setup: WorkerConfig) -> None:
        away = replace(setup, setting=replace(setup.setting, cache=None), tracking=NOWHERE)
        reference = self.task.remote(_Parcel.of(cell), away, self.events)
        self.under_way[reference] = cell, setup

    def _received(self, reference: Any) -> Iterator[Finished]:
        """What became of a cell; nothing yet where it is sent again to make do with less memory."""
        cell, setup = self.under_way.pop(reference)
        found = self._outcome(reference, cell)
        if found.status is Status.OUT_OF_MEMORY and setup == self.setup:
            self._send(cell, frugal(setup))
        else:
            yield replace(found, warning=_tracked(found, self.setup))

    def _outcome(self, reference: Any, cell: Cell) -> Finished:
        try:
            return Finished(cell, *ray.get(reference))
        except RayTaskError:
            raise  # no fault of the cell's
        except OutOfMemoryError:
            status, reason = Status.OUT_OF_MEMORY, "out of memory: its node had none left"
        except RayError as error:
            status = Status.FAILED
            reason = f"its worker died, {RETRIES + 1} times: {' '.join(str(error).split())[:200]}"
            if reference in self.cancelled:
                status = Status.TIMEOUT
                reason = f"it was not done after {self.setup.limits.seconds:g} s"
        return Finished(cell, ended(cell, self.setup.setting, status, reason))

    def _cancel_what_takes_too_long(self) -> None:
        limit = self.setup.limits.seconds
        if limit is None:
            return
        for reference, (cell, _) in self.under_way.items():
            begun = self.begun.get(cell.cell_id, math.inf)
            if reference not in self.cancelled and time.monotonic() - begun > limit:
                self.cancelled.add(reference)
                ray.cancel(reference, force=True)

    def _hear(self) -> None:
        with suppress(RayError):  # there is nobody to listen to any more
            while True:
                event: Event = self.events.get()
                if not event.points:
                    self.begun[event.cell_id] = time.monotonic()
                self.listen(event)


def _tracked(found: Finished, setup: WorkerConfig) -> str | None:
    """Track a cell here, where W&B's files belong; returns what W&B had to say."""
    runs = CellRuns(setup.tracking, setup.setting.suite, found.cell)
    for index, record in enumerate(found.records):
        for point in record.curve:
            runs.log({index: point})
    runs.finish(found.records)
    return runs.warning


# --- on a node --------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Parcel:
    """A cell by its names, which every node knows once it has the plugins."""

    architecture: str
    task: str
    length: int
    seeds: tuple[int, ...]
    rates: tuple[float, ...]
    recipe: Recipe
    budget: Budget
    tuning_seeds: tuple[int, ...]

    @classmethod
    def of(cls, cell: Cell) -> "_Parcel":
        names = cell.architecture.name, cell.task.name
        return cls(
            *names, cell.length, cell.seeds, cell.rates, cell.recipe, cell.budget, cell.tuning_seeds
        )

    @property
    def cell(self) -> Cell:
        named = registry.architecture(self.architecture), registry.task(self.task)
        return Cell(
            *named, self.length, self.seeds, self.rates, self.recipe, self.budget, self.tuning_seeds
        )


def _work(
    parcel: _Parcel, setup: WorkerConfig, events: Queue
) -> tuple[list[Record], dict[str, bytes]]:
    """Work on a cell, as a task of Ray's, in the folder that was sent along.

    Returns its records and the weights to keep.
    """
    compute_alone()
    registry.discover(sorted(PLUGINS.glob("*/*.py"), key=lambda path: int(path.parent.name)))
    if setup.limits.memory is not None:
        limit_memory(setup.limits.memory)

    def tell(event: Event) -> None:
        with suppress(RayError):  # nobody listens any more
            events.put_nowait(event)

    found = work(parcel.cell, setup, tell)
    return found.records, found.weights
