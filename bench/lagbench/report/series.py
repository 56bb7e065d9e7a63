"""What the charts draw: the tables averaged over seeds and thinned to what a chart can show."""

import math

import numpy as np
import pandas as pd

from lagbench.report.columns import KEY, undisturbed
from lagbench.report.tables import Tables
from lagbench.report.wording import reach, reach_bounds

MAX_POINTS = 8000
"""Points that all learning curves together may have, and likewise all lag curves: with the drawing
program and the tables, a report of 5,000 trials stays below 3 MB."""
MAX_POINTS_PER_LINE = 40
"""Points that one line may have."""
MAX_LINES = 1000
"""Lines, or rows of scores, above which a page shows each task's longest length alone."""


def scores(summary: pd.DataFrame) -> pd.DataFrame:
    """Rows of `summary` that have a score; their interval is the score itself where there is none.

    `interval` says it in words, for tooltips.
    """
    scored = summary[summary["score"].notna()].copy()
    scored["interval"] = [
        "none: one seed" if np.isnan(low) else f"{low:.3f} to {high:.3f}"
        for low, high in zip(scored["score_low"], scored["score_high"], strict=True)
    ]
    for bound in ("score_low", "score_high"):
        scored[bound] = scored[bound].fillna(scored["score"])
    return scored


def learning(tables: Tables) -> pd.DataFrame:
    """Validation score against examples, at the selected rate, a mean over the seeds."""
    curves = tables.curves
    chosen = curves[curves["selected"] & np.isfinite(curves["validation_score"])]
    return _coarsened(chosen, "examples", "validation_score", weight=None)


def learning_seconds(tables: Tables) -> pd.DataFrame:
    """`learning` with `seconds`: what these examples take at the speed measured for the cell."""
    speed = tables.summary[[*KEY, "tokens_per_example", "train_tokens_per_second"]]
    result = learning(tables).merge(speed[speed["train_tokens_per_second"] > 0], on=KEY)
    seconds_each = result["tokens_per_example"] / result["train_tokens_per_second"]
    return result.assign(seconds=result["examples"] * seconds_each.astype(float))


def horizons(tables: Tables) -> pd.DataFrame:
    """Rows of `horizons`, their interval the horizon itself where there is none.

    Columns are added: `reach` and `interval` in words, and `start`, the task's shortest length.
    """
    result = tables.horizons
    rows = list(result.itertuples(index=False))
    return result.assign(
        reach=[reach(row) for row in rows],
        interval=[reach_bounds(row) or "none" for row in rows],
        start=result.groupby("task")["shortest"].transform("min"),
        low=result["low"].fillna(result["horizon"]),
        high=result["high"].fillna(result["horizon"]),
    )


def ranks(tables: Tables) -> pd.DataFrame:
    """Rows of `ranks` that have a rank beside another's; `row`: its label."""
    ranked = tables.ranks[tables.ranks["critical_difference"].notna()]
    return ranked.loc[ranked["blocks"] > 0].assign(row=ranked["architecture"])


def lag_accuracy(tables: Tables) -> pd.DataFrame:
    """The probe `lag_accuracy` against lag, a mean over all targets of all seeds, with chance.

    Chance is the task's where the task is scored by accuracy, and missing elsewhere.
    """
    probes = tables.probes[tables.probes["probe"] == "lag_accuracy"]
    probes = probes[np.isfinite(probes["value"]) & (probes["count"] > 0)]
    by_task = tables.summary[tables.summary["metric"] == "accuracy"]
    chance = by_task.groupby(["task", "length"])["chance"].first().reset_index()
    return _coarsened(probes, "x", "value", weight="count").merge(
        chance, on=["task", "length"], how="left"
    )


def gradient_reach(tables: Tables) -> pd.DataFrame:
    """The gradient against lag after training, a mean over the seeds; zeros have no logarithm."""
    return _longest_curves(tables, "gradient_reach", smallest=0)


def influence(tables: Tables) -> pd.DataFrame:
    """The influence against lag, a mean over the exchanges of all seeds; `oracle`: the oracle's."""
    result = _longest_curves(tables, "influence")
    oracle = _longest_curves(tables, "influence_oracle")
    by_lag = oracle.groupby(["task", "length", "x"])["value"].mean().rename("oracle").reset_index()
    return result.merge(by_lag, on=["task", "length", "x"], how="left")


def _longest_curves(tables: Tables, probe: str, smallest: float = -math.inf) -> pd.DataFrame:
    """A probe's curves at each task's longest length, where its values are more than `smallest`."""
    probes = tables.probes[tables.probes["probe"] == probe]
    probes = probes[np.isfinite(probes["value"]) & (probes["value"] > smallest)]
    return _coarsened(longest_lengths(probes), "x", "value", weight="count")


def price(summary: pd.DataFrame, speed: str) -> pd.DataFrame:
    """Scores at the longest length that each task was scored at, where a column `speed` is known.

    Columns are added: `speed`, and `front`, whether no other architecture is better on this task in
    one of score and speed without being worse in the other.
    """
    longest = undisturbed(longest_lengths(scores(summary)))
    timed = longest.loc[longest[speed] > 0]
    timed = timed.assign(speed=timed[speed])
    fronts = [_front(rows_of_task) for _, rows_of_task in timed.groupby("task")]
    return timed.assign(front=pd.concat(fronts) if fronts else False)


def _front(rows_of_task: pd.DataFrame) -> pd.Series:
    """Which rows are on the Pareto front of `score` and `speed`."""
    points = rows_of_task[["score", "speed"]].to_numpy(float)
    no_worse = (points[:, None] >= points[None]).all(-1)
    better = (points[:, None] > points[None]).any(-1)
    return pd.Series(~(no_worse & better).any(0), index=rows_of_task.index)


def rates(tables: Tables) -> pd.DataFrame:
    """Validation score by learning rate at each task's longest length, a mean over the seeds.

    `selected` and `good`: whether the rate was selected, and lies in the window of good rates.
    """
    trained = tables.trials[np.isfinite(tables.trials["validation_score"])]
    groups = longest_lengths(trained).groupby([*KEY, "learning_rate"])
    means = groups.agg(
        validation_score=("validation_score", "mean"),
        seeds=("seed", "size"),
        selected=("selected", "any"),
    ).reset_index()
    result = means.merge(tables.lr_windows[[*KEY, "window_low", "window_high"]], on=KEY, how="left")
    good = result["learning_rate"].between(result["window_low"], result["window_high"])
    return result.drop(columns=["window_low", "window_high"]).assign(good=good)


def longest_lengths(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of each task at the longest length that it has."""
    return frame.loc[frame["length"] == frame.groupby("task")["length"].transform("max")]


def speeds(summary: pd.DataFrame) -> pd.DataFrame:
    """Geometric means over tasks and lengths of the speeds relative to the reference model.

    Cells that were measured while other processes computed are left out.

    Columns: architecture, work ("training", "inference"), relative, tokens_per_second, cells.
    """
    frames = []
    for work, kind in (("training", "train"), ("inference", "inference")):
        measured = undisturbed(summary[summary[f"{kind}_relative"] > 0])
        logs = pd.DataFrame(
            {
                "architecture": measured["architecture"],
                "relative": np.log(measured[f"{kind}_relative"]),
                "tokens_per_second": np.log(measured[f"{kind}_tokens_per_second"]),
            }
        )
        means = logs.groupby("architecture").mean().apply(np.exp)
        cells = logs.groupby("architecture").size().rename("cells")
        frames.append(means.join(cells).reset_index().assign(work=work))
    return pd.concat(frames, ignore_index=True)


def _coarsened(frame: pd.DataFrame, x: str, value: str, weight: str | None) -> pd.DataFrame:
    """Means of `value` in bins of `x` for each line of a chart, weighted by the column `weight`.

    Every x has a bin of its own while the lines are few and short.
    """
    if frame.groupby(KEY).ngroups > MAX_LINES:
        frame = longest_lengths(frame)
    lines = max(1, frame.groupby(KEY).ngroups)
    weights = frame[weight].to_numpy(float) if weight else np.ones(len(frame))
    sums = frame[KEY].assign(
        place=_places(frame, x, max(2, min(MAX_POINTS_PER_LINE, MAX_POINTS // lines))),
        weight=weights,
        **{column: frame[column].to_numpy(float) * weights for column in (x, value)},
    )
    totals = sums.groupby([*KEY, "place"], as_index=False).sum()
    for column in (x, value):
        totals[column] /= totals["weight"]
    return totals[[*KEY, x, value]]


def _places(frame: pd.DataFrame, x: str, points: int) -> pd.Series:
    """In which of at most `points` bins of equally many x each row falls, within its line."""
    groups = frame.groupby(KEY)[x]
    rank = groups.rank(method="dense") - 1
    distinct = groups.transform("nunique").astype(float)
    return rank * distinct.clip(upper=points) // distinct
