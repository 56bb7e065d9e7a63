"""The leaderboard: how far each architecture reaches on each task, how well, and at what cost."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from lagbench.report import columns, series
from lagbench.report.columns import Column
from lagbench.report.tables import Tables


@dataclass(frozen=True)
class LeaderboardRow:
    """An architecture's row; what is not known of a task is not in a mapping.

    rank: its row of `ranks`; None: it is not ranked. scores: by task, its row of `summary` at the
    longest length scored there. horizons: by task, its row of `horizons`. overall: by column, its
    value over all cells, or the lowest and the highest.
    """

    architecture: str
    rank: Any
    scores: dict[str, Any]
    horizons: dict[str, Any]
    overall: dict[str, tuple[float, ...]]


@dataclass(frozen=True)
class Leaderboard:
    """All architectures that have a score, those that reach furthest first.

    tasks: the longest length at which each was scored. columns: those of the costs that were
    measured. disturbed: how many speeds are left out, as other processes computed meanwhile.
    ranked: a row of `ranks`, for what all of them share; None: fewer than two are ranked.
    """

    tasks: dict[str, int]
    columns: list[Column]
    disturbed: int
    ranked: Any
    rows: list[LeaderboardRow]


def leaderboard(tables: Tables) -> Leaderboard:
    """Architectures that have a score, by how far they reach.

    The order is that of the mean of log horizon over tasks, each less the task's longest length. A
    task without a horizon counts as the shortest length. Among equals the mean score decides.
    """
    scored = tables.summary[tables.summary["score"].notna()]
    longest = scored.groupby("task")["length"].max()
    at_longest = _by_name(series.longest_lengths(scored))
    horizons = _by_name(tables.horizons)
    ranks = {row.architecture: row for row in tables.ranks.itertuples() if row.blocks}
    ranks = ranks if len(ranks) > 1 else {}
    shown = columns.overall_columns(tables.summary)
    overall = {c.name: c.overall.aggregate(tables.summary, c.name) for c in shown if c.overall}
    rows = [
        LeaderboardRow(
            architecture=name,
            rank=ranks.get(name),
            scores=at_longest.get(name, {}),
            horizons=horizons.get(name, {}),
            overall={
                column: by_architecture[name]
                for column, by_architecture in overall.items()
                if name in by_architecture
            },
        )
        for name in map(str, sorted(scored["architecture"].unique()))
    ]
    ends = tables.horizons.groupby("task").agg({"shortest": "min", "longest": "max"})
    mean_score = tables.summary.groupby("architecture")["score"].mean()
    rows.sort(key=lambda row: (-_mean_log_reach(row, ends), -mean_score[row.architecture]))
    return Leaderboard(
        tasks={str(task): int(length) for task, length in longest.items()},
        columns=shown,
        disturbed=int((~tables.summary["undisturbed"].fillna(True)).sum()),
        ranked=next(iter(ranks.values()), None),
        rows=rows,
    )


def row_to_dict(row: LeaderboardRow) -> dict[str, Any]:
    """A row as data for programs; None: not measured."""
    by_task = {
        task: {
            "length": int(scored.length),
            **{n: _number(getattr(scored, n)) for n in ("score", "score_low", "score_high")},
            **_horizon_to_dict(row.horizons.get(task)),
            "seeds": int(scored.seeds),
        }
        for task, scored in row.scores.items()
    }
    rank: dict[str, Any] = {} if row.rank is None else {"blocks": int(row.rank.blocks)}
    for name in ("rank", "critical_difference", "score") if rank else ():
        rank[name] = _number(getattr(row.rank, name))
    overall: dict[str, Any] = {}
    for column in columns.COLUMNS:
        if column.overall is not None:
            values = list(row.overall.get(column.name, ()))
            single = column.overall.statistic == "geometric mean"
            overall[column.overall.key or column.name] = (
                next(iter(values), None) if single else values or None
            )
    return {"architecture": row.architecture, **rank, **overall, "tasks": by_task}


def _horizon_to_dict(row: Any) -> dict[str, Any]:
    if row is None:
        return {}
    bounds = {"horizon_low": _number(row.low), "horizon_high": _number(row.high)}
    return {"horizon": float(row.horizon), **bounds, "censored": str(row.censored)}


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _by_name(frame: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Rows by architecture, then by task."""
    rows: dict[str, dict[str, Any]] = {}
    for row in frame.itertuples(index=False):
        rows.setdefault(str(row.architecture), {})[str(row.task)] = row
    return rows


def _mean_log_reach(row: LeaderboardRow, ends: pd.DataFrame) -> float:
    reached = [
        (row.horizons[task].horizon if task in row.horizons else end.shortest) / end.longest
        for task, end in ends.iterrows()
    ]
    return float(np.mean(np.log2(reached)))
