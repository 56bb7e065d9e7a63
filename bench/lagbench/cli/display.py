"""Plain tables, as a person reads them in a terminal."""

import math
from collections.abc import Iterable
from typing import Any

from rich import box
from rich.markup import escape
from rich.table import Table


def rows(columns: Iterable[str], data: Iterable[Iterable[Any]]) -> Table:
    """A plain table; numbers are right-aligned, missing ones are a dash, the first column whole."""
    table = Table(box=box.SIMPLE_HEAD)
    listed = [list(row) for row in data]
    for index, column in enumerate(columns):
        numeric = all(isinstance(row[index], int | float | None) for row in listed)
        table.add_column(column, justify="right" if numeric else "left", no_wrap=index == 0)
    for row in listed:
        table.add_row(*(escape(_shown(value)) for value in row))
    return table


def _shown(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if isinstance(value, float) and value.is_integer() and abs(value) >= 1:
        return f"{value:.0f}"
    if isinstance(value, float):
        return f"{value:.2g}" if 0 < abs(value) < 0.1 else f"{value:.2f}"
    return str(value)
