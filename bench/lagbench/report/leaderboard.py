"""The leaderboard: how far each architecture reaches on each task, how well, and at what price."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from lagbench.report import series
from lagbench.report.tables import Tables


@dataclass(frozen=True)
class LeaderboardRow:
    """An architecture's row; what is not known of a task is not in a mapping."""

    architecture: str
    rank: Any  # its row of `ranks`; None: it is not ranked
    scores: dict[str, Any]  # by task, its row of `summary` at the longest length scored there
    horizons: dict[str, Any]  # by task, its row of `horizons`
    training: float  # speed relative to the reference model, geometric mean over its cells
    inference: float
    memory: tuple[int, ...]  # bytes at the peak of a training step: least and most, or nothing
    parameters: tuple[int, ...]  # likewise


@dataclass(frozen=True)
class Leaderboard:
    """All standings, those that reach furthest first."""

    tasks: dict[str, int]  # the longest length at which a task was scored
    has_speed: bool  # whether any speed was measured
    disturbed: int  # speeds that are left out, as other processes computed meanwhile
    has_memory: bool  # whether any memory was
    ranked: Any  # a row of `ranks`, for what all of them share; None: fewer than two are ranked
    rows: list[LeaderboardRow]


def leaderboard(tables: Tables) -> Leaderboard:
    """Architectures that have a score, by how far they reach.

    The order is that of the mean of log horizon over tasks, each less the task's longest length. A
    task without a horizon counts as the shortest length. Among equals the mean score decides.
    """
    scored = tables.summary[tables.summary["score"].notna()]
    longest = scored.groupby("task")["length"].max()
    at_end = _by_name(series.longest_lengths(scored))
    horizons = _by_name(tables.horizons)
    speeds = series.speeds(tables.summary).set_index(["architecture", "work"])["relative"]
    ranks = {row.architecture: row for row in tables.ranks.itertuples() if row.blocks}
    ranks = ranks if len(ranks) > 1 else {}
    standings = [
        LeaderboardRow(
            architecture=str(name),
            rank=ranks.get(str(name)),
            scores=at_end.get(str(name), {}),
            horizons=horizons.get(str(name), {}),
            training=float(speeds.get((name, "training"), np.nan)),
            inference=float(speeds.get((name, "inference"), np.nan)),
            memory=_range(own["peak_memory_bytes"].dropna()),
            parameters=_range(own["parameters"]),
        )
        for name, own in scored.groupby("architecture")
    ]
    ends = tables.horizons.groupby("task").agg({"shortest": "min", "longest": "max"})
    mean_score = tables.summary.groupby("architecture")["score"].mean()
    standings.sort(key=lambda one: (-_reach(one, ends), -mean_score[one.architecture]))
    tasks = {str(task): int(length) for task, length in longest.items()}
    return Leaderboard(
        tasks=tasks,
        has_speed=bool((tables.summary["train_relative"] > 0).any()),
        disturbed=int((~tables.summary["undisturbed"].fillna(True)).sum()),
        has_memory=bool(scored["peak_memory_bytes"].notna().any()),
        ranked=next(iter(ranks.values()), None),
        rows=standings,
    )


def row_to_dict(standing: LeaderboardRow) -> dict[str, Any]:
    """A standing as data for programs; None: not measured."""
    known = {
        task: {
            "length": int(row.length),
            **{name: _number(getattr(row, name)) for name in ("score", "score_low", "score_high")},
            **_plain_horizon(standing.horizons.get(task)),
            "seeds": int(row.seeds),
        }
        for task, row in standing.scores.items()
    }
    return {
        "architecture": standing.architecture,
        **_plain_rank(standing.rank),
        "training_speed": _number(standing.training),
        "inference_speed": _number(standing.inference),
        "peak_memory_bytes": list(standing.memory) or None,
        "parameters": list(standing.parameters),
        "tasks": known,
    }


def _plain_rank(row: Any) -> dict[str, Any]:
    if row is None:
        return {}
    found = {name: _number(getattr(row, name)) for name in ("rank", "critical_difference", "score")}
    return found | {"blocks": int(row.blocks)}


def _plain_horizon(row: Any) -> dict[str, Any]:
    if row is None:
        return {}
    bounds = {"horizon_low": _number(row.low), "horizon_high": _number(row.high)}
    return {"horizon": float(row.horizon), **bounds, "censored": str(row.censored)}


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _range(values: pd.Series) -> tuple[int, ...]:
    """The least and the most; empty where there is none."""
    return (int(values.min()), int(values.max())) if len(values) else ()


def _by_name(frame: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Rows by architecture, then by task."""
    found: dict[str, dict[str, Any]] = {}
    for row in frame.itertuples(index=False):
        found.setdefault(str(row.architecture), {})[str(row.task)] = row
    return found


def _reach(standing: LeaderboardRow, ends: pd.DataFrame) -> float:
    reached = [
        (standing.horizons[task].horizon if task in standing.horizons else row.shortest)
        / row.longest
        for task, row in ends.iterrows()
    ]
    return float(np.mean(np.log2(reached)))
