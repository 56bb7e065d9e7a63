"""What is stored of a suite's published results: one file, a line a record, compressed.

`results/<suite>/records.jsonl.gz` holds the runs, their records and the speeds that were measured.
All else in that folder is derived from it.
"""

import gzip
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from lagbench.contract import UserError
from lagbench.record import Record, Run, Throughput
from lagbench.run.store import atomic_write, os_errors_as_user_errors

NAME = "records.jsonl.gz"

Block = tuple[str, int]  # a task at a length


@dataclass(frozen=True)
class Published:
    """The results of a suite; each run names the cells that are its own, the latest run is last."""

    runs: tuple[Run, ...]
    records: tuple[Record, ...]
    throughputs: tuple[Throughput, ...]

    @property
    def run(self) -> Run:
        """The latest run, with the cells of all."""
        cells = tuple(key for run in self.runs for key in run.cells)
        return self.runs[-1].model_copy(update={"cells": cells})


class _Line(BaseModel):
    """One of the three."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")

    run: Run | None = None
    record: Record | None = None
    throughput: Throughput | None = None


def read(path: Path) -> Published:
    """The results in a file; `UserError`, with the line, where it cannot be read."""
    try:
        with os_errors_as_user_errors(path, "read"):
            text = gzip.decompress(path.read_bytes()).decode()
    except (EOFError, zlib.error, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read: {error}.") from error
    lines = [_parsed(line, f"{path}, line {n}") for n, line in enumerate(text.splitlines(), 1)]
    return Published(
        runs=tuple(line.run for line in lines if line.run),
        records=tuple(line.record for line in lines if line.record),
        throughputs=tuple(line.throughput for line in lines if line.throughput),
    )


def write(path: Path, published: Published) -> None:
    """Keep results in a file, whole or not at all; the same results are the same bytes."""
    text = "".join(f"{line.model_dump_json(exclude_unset=True)}\n" for line in _lines(published))
    atomic_write(path, gzip.compress(text.encode(), mtime=0))


def added(old: Published, new: Published) -> Published:
    """Both results as one; of cells for the same architecture, task and length the new one stays.

    Raises `UserError` where models of one task and length were not trained alike.
    """
    places = {record.cell_id for record in new.records}
    kept = [record for record in old.records if record.cell_id not in places]
    cells = {record.cell for record in kept}
    runs = (
        run.model_copy(update={"cells": tuple(key for key in run.cells if key in cells)})
        for run in old.runs
    )
    speeds = (s for s in old.throughputs if (s.architecture, s.task, s.length) not in places)
    merged = Published(
        runs=(*(run for run in runs if run.cells), *new.runs),
        records=(*kept, *new.records),
        throughputs=(*speeds, *new.throughputs),
    )
    _reject_unlike(merged.records)
    return merged


def _reject_unlike(records: Iterable[Record]) -> None:
    settings: dict[Block, dict[str, object]] = {}
    for record in records:
        values = {**record.recipe, **{f"budget {name}": n for name, n in record.budget.items()}}
        values.pop("keep", None)  # decides no number
        first = settings.setdefault((record.task, record.length), values)
        unlike = [name for name in sorted({*first, *values}) if first.get(name) != values.get(name)]
        if unlike:
            raise UserError(
                f"{record.architecture} on {record.task} at length {record.length} was trained "
                f"with {unlike[0]} {values.get(unlike[0])}, not {first.get(unlike[0])}, as others "
                "that are published were: they cannot be compared."
            )


def _lines(published: Published) -> Iterator[_Line]:
    yield from (_Line(run=run) for run in published.runs)
    by_place = sorted(
        published.records, key=lambda r: (r.cell_id, r.seed, r.learning_rate, r.trial)
    )
    yield from (_Line(record=record) for record in by_place)
    speeds = sorted(published.throughputs, key=lambda s: (s.architecture, s.task, s.length))
    yield from (_Line(throughput=speed) for speed in speeds)


def _parsed(line: str, where: str) -> _Line:
    try:
        return _Line.model_validate_json(line)
    except ValidationError as error:
        raise UserError(f"{where} is no record: {error.errors()[0]['msg']}.") from error
