"""The results of a run on disk: every file is complete or absent.

`OUT/trials/<key>/result.json` holds a trial, `weights.safetensors` beside it its model where
weights are kept, `OUT/throughput/<key>.json` the speed of a cell, `OUT/run.json` the
description of the run. A file that is damaged, of another format, or not what its name says is set
aside with a warning, never deleted.
"""

import os
import platform
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from uuid import uuid4

import safetensors.torch
from filelock import FileLock, Timeout
from pydantic import BaseModel, ValidationError
from safetensors import SafetensorError, safe_open
from torch import Tensor

from lagbench.contract import UserError
from lagbench.record import Record, Run, StepTimes, Throughput
from lagbench.spec.cell import Cell

if TYPE_CHECKING:
    from lagbench.report.tables import Results

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True)
class Weights:
    """The parameters of a model by name, and texts that say which model it is."""

    tensors: dict[str, Tensor]
    facts: dict[str, str]

    def packed(self) -> bytes:
        """As the file that holds them, and as they come from where a trial was trained."""
        return safetensors.torch.save(self.tensors, self.facts)


class Store:
    """A folder of results.

    warn: called with a sentence for every file that is set aside.
    """

    def __init__(self, out: Path, warn: Callable[[str], None] = lambda _: None) -> None:
        self.out, self.warn = out, warn

    @property
    def cache(self) -> Path:
        """Where fixed splits are kept."""
        return self.out / "data"

    def read(self, cell: Cell) -> list[Record] | None:
        """The records of a cell, in the order of its pairs; None unless all are there."""
        records = [
            self._record(self._trial(cell.trial_key(seed, rate))) for seed, rate in cell.pairs
        ]
        present = [record for record in records if record is not None]
        return present if len(present) == len(records) else None

    def write(self, records: Iterable[Record]) -> None:
        """Write records, each complete or not at all."""
        for record in records:
            atomic_write(self._trial(record.trial), record.model_dump_json(indent=1))

    def has_weights(self, record: Record) -> bool:
        """Whether the weights of a trial are kept."""
        return self._weights(record.trial).is_file()

    def read_weights(self, record: Record) -> Weights:
        """The weights of a trial; `UserError` where there are none, or they cannot be read."""
        path = self._weights(record.trial)
        try:
            with safe_open(path, framework="pt") as file:
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
                return Weights(tensors, file.metadata() or {})
        except (OSError, SafetensorError) as error:
            raise UserError(f"There are no weights to be read in {path}: {error}.") from error

    def write_weights(self, key: str, packed: bytes) -> None:
        """Keep the weights of a trial."""
        atomic_write(self._weights(key), packed)

    def read_throughput(self, cell: Cell) -> Throughput | None:
        """The speed of a cell's model, where it was measured."""
        return self._read(self._throughput(cell.key), Throughput)

    def write_throughput(self, cell: Cell, throughput: Throughput) -> None:
        """Keep the speed of a cell's model."""
        atomic_write(self._throughput(cell.key), throughput.model_dump_json(indent=1))

    def read_run(self) -> Run | None:
        """The description of the run, if one was begun."""
        return self._read(self.out / "run.json", Run)

    def known_run(self) -> Run:
        """The description of the run. Raises `UserError` if there is none."""
        run = self.read_run()
        if run is None:
            raise UserError(f"There is no run in {self.out}: it has no run.json.")
        return run

    def write_run(self, run: Run) -> None:
        """Write the description of the run."""
        atomic_write(self.out / "run.json", run.model_dump_json(indent=1))

    def read_step_times(self) -> StepTimes | None:
        """What was timed for the claims."""
        return self._read(self.out / "step_times.json", StepTimes)

    def write_step_times(self, step_times: StepTimes) -> None:
        """Keep what was timed for the claims."""
        atomic_write(self.out / "step_times.json", step_times.model_dump_json(indent=1))

    def reported(self, run: Run) -> tuple[list[Record], list[Throughput]]:
        """The records and speeds of the cells that a run reports."""
        cells = set(run.cells)
        stored = (self._record(path) for path in self.out.glob("trials/*/result.json"))
        records = [record for record in stored if record is not None and record.cell in cells]
        speeds = (self._read(self._throughput(key), Throughput) for key in run.cells)
        return records, [speed for speed in speeds if speed is not None]

    def _trial(self, key: str) -> Path:
        return self.out / "trials" / key / "result.json"

    def _weights(self, key: str) -> Path:
        return self.out / "trials" / key / "weights.safetensors"

    def _throughput(self, key: str) -> Path:
        return self.out / "throughput" / f"{key}.json"

    def _record(self, path: Path) -> Record | None:
        record = self._read(path, Record)
        if record is None or record.trial == path.parent.name:
            return record
        self._set_aside(path, f"it is the record of the trial {record.trial}")
        return None

    def _read(self, path: Path, model: type[Model]) -> Model | None:
        with os_errors_as_user_errors(path, "read"):
            if not path.is_file():
                return None
            text = path.read_bytes()
        try:
            return model.model_validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            self._set_aside(path, f"{where}: {first['msg']}" if where else first["msg"])
        return None

    def _set_aside(self, path: Path, reason: str) -> None:
        names = (path.with_name(f"{path.name}.unreadable-{number}") for number in count(1))
        aside = next(name for name in names if not name.exists())
        with os_errors_as_user_errors(aside):
            path.replace(aside)
        self.warn(f"{path} was set aside as {aside.name}: {reason.removesuffix('.')}.")


class ReadOnlyStore(Store):
    """A store that writes nothing: damaged files stay where they are and are left out."""

    def _set_aside(self, path: Path, reason: str) -> None:
        self.warn(f"{path} cannot be used: {reason.removesuffix('.')}.")


@contextmanager
def os_errors_as_user_errors(path: Path, how: str = "written") -> Iterator[None]:
    """Raise `UserError`, naming the file, for an `OSError` within the block."""
    try:
        yield
    except OSError as error:
        name = error.filename or path
        raise UserError(f"{name} cannot be {how}: {error.strerror or error}.") from error


def atomic_write(path: Path, content: str | bytes) -> None:
    """Write a file so that it is complete or absent, even if the machine stops midway."""
    data = content.encode() if isinstance(content, str) else content
    partial = path.with_name(f".{path.name}-{uuid4().hex}")
    with os_errors_as_user_errors(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with partial.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        except BaseException:
            with suppress(OSError):
                partial.unlink(missing_ok=True)
            raise


@contextmanager
def run_lock(out: Path) -> Iterator[None]:
    """Lock a folder of results, so that one run at a time writes there.

    The system frees the lock when its process dies. The lock file stays: deleting it could delete
    another run's lock. Raises `UserError`, which names the process, where another run holds it.
    """
    holder = out / ".running.txt"
    lock = FileLock(out / ".running.lock")
    with os_errors_as_user_errors(out):
        out.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            by = holder.read_text(encoding="utf-8") if holder.is_file() else "another process"
            raise UserError(f"{out} is in use by {by}; wait, or give another --out.") from None
    try:
        with os_errors_as_user_errors(holder):
            holder.write_text(f"process {os.getpid()} on {platform.node()}", encoding="utf-8")
        yield
    finally:
        lock.release()


def results(out: Path, warn: Callable[[str], None] = lambda _: None) -> "Results":
    """The run of a folder, its records and the tables derived from them."""
    from lagbench.report.tables import Results, derive  # imports pandas, which starts a thread

    store = Store(out, warn)
    run = store.known_run()
    records, throughputs = store.reported(run)
    return Results(run, tuple(records), derive(records, throughputs))
