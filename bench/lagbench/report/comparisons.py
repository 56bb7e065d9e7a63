"""`comparisons.csv`: every two architectures on every task, at each length and at all together."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from itertools import combinations
from math import isnan
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lagbench.report.columns import frame, scored
from lagbench.report.significance import ALPHA, compare, holm, minimum_detectable
from lagbench.report.statistics import Floats

MAX_PAIRS = 256
"""How many pairs are resampled together: what fits a cache."""
COLUMNS = [
    *("architecture_a", "architecture_b", "task", "length", "lengths", "seeds"),
    *("difference", "low", "high", "probability_of_improvement"),
    *("p", "p_holm", "minimum_detectable", "verdict"),
]

Row = dict[str, Any]


class Better(StrEnum):
    """Which of two is better."""

    A = "a"
    B = "b"
    UNDECIDED = "undecided"  # the difference may be luck
    NO_INTERVAL = "no interval"  # one seed says nothing about another


def comparisons(trials: pd.DataFrame) -> pd.DataFrame:
    """A row for every two architectures that share seeds on a task at a length, from `trials`.

    A row without a length compares them over all `lengths` that they share, with `seeds` at least
    at each. Holm's correction runs over the pairs of one task at one length, or at all of them:
    what somebody reads together.
    """
    result: list[Row] = []
    for task, rows in scored(trials).groupby("task"):
        table = rows.pivot_table(index=["length", "seed"], columns="architecture", values="score")
        lengths = table.index.unique("length")
        for length in lengths:
            result += _family({"task": task, "length": length}, table.loc[[length]])
        if len(lengths) > 1:
            several = _family({"task": task, "length": pd.NA}, table)
            result += [row for row in several if row["lengths"] > 1]
    by = ["task", "length", "architecture_a", "architecture_b"]
    return frame(result, COLUMNS, by=by)


def _family(where: Row, scores: pd.DataFrame) -> list[Row]:
    """Every two columns of `scores` compared; its index is (length, seed)."""
    result = [row for pairs in _alike(scores) for row in _compared(pairs)]
    tested = [row for row in result if not isnan(row["p"])]
    corrected = holm([row["p"] for row in tested])
    for row, p_holm in zip(tested, corrected, strict=True):
        row["p_holm"] = p_holm
        row["minimum_detectable"] = float(minimum_detectable(row["differences"], len(tested)))
        row["verdict"] = _verdict(row)
    return [where | row for row in result]


@dataclass(frozen=True)
class _Pairs:
    """Pairs of architectures that share the same seeds at the same lengths."""

    names: list[tuple[str, str]]
    lengths: NDArray[np.int64]  # of each column of the scores, ascending
    a: Floats  # (pairs, columns)
    b: Floats


def _alike(scores: pd.DataFrame) -> Iterator[_Pairs]:
    """Every two columns, a few hundred at a time with all that share the same rows."""
    values = scores.to_numpy(float).T
    lengths = scores.index.get_level_values("length").to_numpy(int)
    by_rows: dict[bytes, list[tuple[int, int]]] = {}
    for i, j in combinations(range(len(values)), 2):
        rows = np.isfinite(values[i]) & np.isfinite(values[j])
        if rows.any():
            by_rows.setdefault(rows.tobytes(), []).append((i, j))
    for key, places in by_rows.items():
        rows = np.frombuffer(key, bool)
        for start in range(0, len(places), MAX_PAIRS):
            i, j = np.array(places[start : start + MAX_PAIRS]).T
            names = list(zip(scores.columns[i], scores.columns[j], strict=True))
            yield _Pairs(names, lengths[rows], values[i][:, rows], values[j][:, rows])


def _compared(pairs: _Pairs) -> Iterator[Row]:
    """A row for each pair, its p not yet corrected; `differences` are for the other columns."""
    _, starts = np.unique(pairs.lengths, return_index=True)
    of_a, of_b = (np.split(scores, starts[1:], axis=1) for scores in (pairs.a, pairs.b))
    result = asdict(compare(list(zip(of_a, of_b, strict=True))))
    for index, (a, b) in enumerate(pairs.names):
        yield {
            "architecture_a": a,
            "architecture_b": b,
            "lengths": len(of_a),
            "seeds": min(scores.shape[1] for scores in of_a),
            **{column: values[index] for column, values in result.items()},
            "differences": pairs.a[index] - pairs.b[index],
            "verdict": Better.NO_INTERVAL,
        }


def _verdict(row: Row) -> Better:
    if row["p_holm"] > ALPHA:
        return Better.UNDECIDED
    return Better.A if row["difference"] > 0 else Better.B


@dataclass(frozen=True)
class Difference:
    """Two architectures on a task; the one with the better mean comes first."""

    better: str
    worse: str
    task: str
    over: str  # which lengths
    seeds: int
    difference: float
    low: float
    high: float
    wins: float  # how often a run of the better one beats one of the other
    p: float
    detectable: float
    settled: bool


def differences(comparisons: pd.DataFrame) -> list[Difference]:
    """Every two architectures over all lengths of each task that they share; settled ones first."""
    pair = ["architecture_a", "architecture_b", "task"]
    single = ~comparisons.duplicated(pair, keep=False)
    rows = comparisons[comparisons["length"].isna() | single].itertuples(index=False)
    return sorted(
        map(_difference, rows), key=lambda d: (d.task, not d.settled, -d.difference, d.better)
    )


def _difference(row: Any) -> Difference:
    first = bool(row.difference >= 0)
    names = [str(row.architecture_a), str(row.architecture_b)]
    low, high = (row.low, row.high) if first else (-row.high, -row.low)
    improvement = row.probability_of_improvement
    return Difference(
        better=names[not first],
        worse=names[first],
        task=str(row.task),
        over=str(row.length) if pd.notna(row.length) else f"{row.lengths} lengths",
        seeds=int(row.seeds),
        difference=abs(row.difference),
        low=low,
        high=high,
        wins=improvement if first else 1 - improvement,
        p=row.p_holm,
        detectable=row.minimum_detectable,
        settled=row.verdict in (Better.A, Better.B),
    )
