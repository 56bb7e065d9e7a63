"""A run's CSV tables, read back with the types of their columns."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BOOLEANS = {"True": True, "False": False}


@dataclass(frozen=True)
class Table:
    """Columns and rows; None: not measured."""

    columns: list[str]
    rows: list[list[Any]]

    def column(self, name: str) -> list[Any]:
        """The values of one column."""
        place = self.columns.index(name)
        return [row[place] for row in self.rows]

    def dictionaries(self) -> list[dict[str, Any]]:
        """Each row by the names of its columns."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


def read(path: Path) -> Table:
    """Read a table that `lagbench.report.tables` has written."""
    with path.open(encoding="utf-8", newline="") as file:
        columns, *rows = csv.reader(file)
    if not rows:
        return Table(columns, [])
    typed = [_typed(list(texts)) for texts in zip(*rows, strict=True)]
    return Table(columns, [list(row) for row in zip(*typed, strict=True)])


def _typed(texts: list[str]) -> list[Any]:
    """The narrowest type that takes all of a column; empty is None."""
    for kind in (BOOLEANS.__getitem__, int, float):
        try:
            return [None if text == "" else kind(text) for text in texts]
        except (KeyError, ValueError):
            continue
    return [text or None for text in texts]
