"""Numbers and lists in words, for sentences and table cells alike. Missing ones are a dash."""

from collections.abc import Callable, Sequence
from math import inf
from typing import Any

import pandas as pd

from lagbench.report.statistics import Censored

MISSING = "–"
MANY = 4
"""A sentence names this many and counts the rest."""


def text(value: Any) -> str:
    """Any value as it is."""
    return MISSING if pd.isna(value) else str(value)


def number(value: Any, digits: int = 3) -> str:
    """A number with so many decimals; what rounds to zero has no sign."""
    return MISSING if pd.isna(value) else f"{value:z.{digits}f}"


def significant(value: Any, digits: int = 3) -> str:
    """A number with so many significant figures, thousands set apart."""
    if pd.isna(value):
        return MISSING
    return f"{float(f'{value:.{digits}g}'):,.10g}"


def integer(value: Any) -> str:
    """A whole number, thousands set apart."""
    return MISSING if pd.isna(value) else f"{int(value):,}"


def value_range(form: Callable[[Any], str], bounds: Sequence[Any]) -> str:
    """A range in the form, as in `9,760 to 10,242`; one where both read alike."""
    return " to ".join(dict.fromkeys(map(form, bounds))) or MISSING


def times(value: Any) -> str:
    """A ratio, as in `0.45×`."""
    return MISSING if pd.isna(value) else f"{significant(value, 2)}×"


def percent(value: Any) -> str:
    """A share, as in `45%`."""
    return MISSING if pd.isna(value) else f"{100 * value:.0f}%"


def size(value: Any) -> str:
    """Bytes, as in `1.23 MB`; thousands, not 1,024."""
    if pd.isna(value):
        return MISSING
    power = max((exponent for exponent in range(5) if value >= 1000**exponent), default=0)
    return f"{significant(value / 1000**power)} {('B', 'kB', 'MB', 'GB', 'TB')[power]}"


def bounds(low: Any, high: Any, digits: int = 2) -> str:
    """An interval; empty where there is none."""
    return "" if pd.isna(low) else f"{number(low, digits)} to {number(high, digits)}"


def detectable(difference: float) -> str:
    """The smallest difference that could have been detected."""
    return "too few seeds" if difference == inf else number(difference)


def reach(horizon: Any) -> str:
    """The horizon of a row of `horizons`, as in `≥ 128`, `45` or `< 16`."""
    sign = {Censored.AT_LEAST: "≥ ", Censored.BELOW: "< "}.get(horizon.censored, "")
    return f"{sign}{significant(horizon.horizon)}"


def reach_bounds(horizon: Any) -> str:
    """The interval of a row of `horizons`, as in `38 to ≥ 128`; empty where there is none.

    With a single length there is none: whatever the seeds, the horizon is that length.
    """
    if pd.isna(horizon.low) or horizon.shortest == horizon.longest:
        return ""
    # A bound at either end of the lengths tried lies there or beyond.
    low = f"≤ {horizon.shortest}" if horizon.low <= horizon.shortest else significant(horizon.low)
    high = f"≥ {horizon.longest}" if horizon.high >= horizon.longest else significant(horizon.high)
    if horizon.low >= horizon.longest:
        return high
    return low if horizon.high <= horizon.shortest else f"{low} to {high}"


def plural(count: int, noun: str) -> str:
    """`1 trial`, `2 trials`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def workers(count: int | None) -> str:
    """`2 workers`; None: as many as a cluster had room for."""
    return "the workers of a cluster" if count is None else plural(count, "worker")


def join_words(items: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`, `a, b, c, d and 3 more`."""
    shown = list(items[:MANY])
    if len(items) > MANY:
        shown.append(f"{len(items) - MANY} more")
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def duration(seconds: float) -> str:
    """`12 s`, `3 min 32 s`, `2 h 5 min`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, left = divmod(minutes, 60)
    if hours:
        return f"{hours} h {left} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
