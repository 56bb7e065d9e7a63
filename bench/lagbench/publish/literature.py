"""Ours against the literature: published figures beside what our records say of the same thing."""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from lagbench.publish.records import Published
from lagbench.record import Record
from lagbench.report.statistics import iqm

FIGURES = Path(__file__).with_name("literature.toml")


class _FrozenModel(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TaskLength(_FrozenModel):
    """A task at a length."""

    task: str
    length: int


class PublishedFigure(_FrozenModel):
    """A published figure, and what of ours it is held against; `literature.toml` explains it."""

    finding: str
    source: str
    setting: str
    printed: str
    figure: float
    suite: str
    architecture: str
    task: str
    length: int
    measure: Annotated[str, Field(pattern=r"^(test_loss|test_metric|extrapolated:\d+)$")]
    of: Literal["mean", "best"] = "mean"
    ours_is: Literal["near", "at_most", "at_least"]
    tolerance: float = Field(ge=0)
    minus: TaskLength | None = None
    why: str = ""


class FigureAgreement(StrEnum):
    """What came of the comparison."""

    AGREES = "agrees"
    DIFFERS = "differs"
    NOT_RUN = "not run"


@dataclass(frozen=True)
class LiteratureFigure:
    """A row with our figure; None: it was not run."""

    row: PublishedFigure
    ours: float | None
    seeds: int

    @property
    def verdict(self) -> FigureAgreement:
        """Whether ours is where the literature says, give or take the tolerance."""
        if self.ours is None:
            return FigureAgreement.NOT_RUN
        off = self.ours - self.row.figure
        match self.row.ours_is:
            case "near":
                agrees = abs(off) <= self.row.tolerance
            case "at_most":
                agrees = off <= self.row.tolerance
            case "at_least":
                agrees = -off <= self.row.tolerance
        return FigureAgreement.AGREES if agrees else FigureAgreement.DIFFERS


def against_literature(suites: Mapping[str, Published]) -> list[LiteratureFigure]:
    """Every published figure beside ours."""
    return [
        _compared(row, suites[row.suite].records if row.suite in suites else ()) for row in rows()
    ]


@cache
def rows() -> tuple[PublishedFigure, ...]:
    """The published figures."""
    table = tomllib.loads(FIGURES.read_text(encoding="utf-8"))["rows"]
    return tuple(PublishedFigure.model_validate(row) for row in table)


def _compared(row: PublishedFigure, records: Sequence[Record]) -> LiteratureFigure:
    ours = _values(row, TaskLength(task=row.task, length=row.length), records)
    others = ours if row.minus is None else _values(row, row.minus, records)
    if not ours or not others:
        return LiteratureFigure(row, None, 0)
    less = 0.0 if row.minus is None else _figure(row, others)
    return LiteratureFigure(row, _figure(row, ours) - less, len(ours))


def _values(row: PublishedFigure, cell: TaskLength, records: Iterable[Record]) -> list[float]:
    """The measure of every seed that was scored."""
    table = (
        _value(row.measure, record)
        for record in records
        if record.cell_id == (row.architecture, cell.task, cell.length) and record.selected
    )
    return [value for value in table if value is not None]


def _value(measure: str, record: Record) -> float | None:
    if measure == "test_loss":
        return record.test_loss
    if measure == "test_metric":
        return record.test_metric
    length = float(measure.partition(":")[2])
    values = [p.value for p in record.probes if p.probe == "extrapolation" and p.x == length]
    return values[0] if values else None


def _figure(row: PublishedFigure, values: Sequence[float]) -> float:
    """Over the seeds: their interquartile mean, or the best."""
    if row.of == "mean":
        return float(iqm(values))
    return min(values) if row.measure == "test_loss" else max(values)
