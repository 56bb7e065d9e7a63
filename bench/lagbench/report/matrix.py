"""The heat map of all architectures on all tasks: scores, or why there is none."""

from typing import Any

import altair as alt
import pandas as pd

from lagbench.record import Status
from lagbench.report.columns import KEY
from lagbench.report.panels import GREY, Figure, Style, panels
from lagbench.report.tables import Tables
from lagbench.report.wording import bounds, number, plural

HATCH = "M-1,-0.33L-0.33,-1M-1,0.33L0.33,-1M-1,1L1,-1M-0.33,1L1,-0.33M0.33,1L1,0.33"
"""Oblique lines across the square in which Vega draws a point."""
WIDTH, HEIGHT = 46, 24


def outcomes(tables: Tables) -> pd.DataFrame:
    """A row for each architecture and task at the longest length at which the task was scored.

    Columns: architecture, task, length, score (missing: it has none), `label` for the cell, `state`
    ("scored" or how its trials ended), and `finding`, which says it in words. No rows
    where nothing has a score.
    """
    summary = tables.summary
    scored = summary[summary["score"].notna()]
    longest = scored.groupby("task")["length"].max()
    rows = summary[summary["length"] == summary["task"].map(longest)]
    reasons = _reasons(tables.trials)
    outcome_rows = [
        {name: getattr(row, name) for name in (*KEY, "score")} | _outcome(row, reasons)
        for row in rows.itertuples(index=False)
    ]
    return pd.DataFrame(outcome_rows, columns=[*KEY, "score", "label", "state", "finding"])


def matrix(outcome_rows: pd.DataFrame, style: Style) -> Figure:
    """Architectures × tasks, coloured by score; what has none is hatched."""
    names = list(style)
    base = alt.Chart().encode(
        x=alt.X("task:N", title=None, axis=_axis(orient="top", labelAngle=-35)),
        y=alt.Y("architecture:N", title=None, sort=names, axis=_axis()),
        tooltip=[alt.Tooltip("architecture:N"), alt.Tooltip("task:N"), alt.Tooltip("finding:N")],
    )
    scored = base.transform_filter(alt.datum.state == "scored")
    others = base.transform_filter(alt.datum.state != "scored")
    scale = alt.Scale(scheme="viridis", domain=[0, 1], clamp=True)
    letters = alt.when(alt.datum.score > 0.6).then(alt.value("black")).otherwise(alt.value("white"))
    layers = [
        scored.mark_rect().encode(color=alt.Color("score:Q", scale=scale, legend=None)),
        scored.mark_text(fontSize=12).encode(text="label:N", color=letters),
        others.mark_rect(fill="transparent", stroke=GREY, strokeOpacity=0.4),
        others.transform_filter(alt.datum.state == Status.UNSUPPORTED.value).mark_point(
            shape=HATCH, stroke=GREY, size=(HEIGHT - 4) ** 2, strokeWidth=1
        ),
        others.transform_filter(alt.datum.state != Status.UNSUPPORTED.value).mark_text(
            text="×", color=GREY, fontSize=18
        ),
    ]
    return Figure(
        "matrix",
        "Every architecture on every task",
        "Score at the longest length at which a task was scored: 0 is chance, 1 the optimum. "
        "Hatched: unsupported; ×: tried, without a score. Tooltips and the tables below have the "
        "reasons.",
        panels(
            outcome_rows.assign(panel="score at the longest length"),
            layers,
            "panel",
            height=alt.Step(HEIGHT),
            width=alt.Step(WIDTH),
        ),
    )


def _axis(**more: Any) -> alt.Axis:
    return alt.Axis(labelLimit=180, labelOverlap=False, ticks=False, domain=False, **more)


def _outcome(row: Any, reasons: dict[tuple[Any, ...], tuple[str, str]]) -> dict[str, str]:
    """What a row of `summary` came to."""
    if row.seeds:
        interval = bounds(row.score_low, row.score_high, 3)
        words = [number(row.score), f"({interval})" if interval else "", f"at {row.length},"]
        finding = " ".join([*filter(None, words), plural(int(row.seeds), "seed")])
        return {"label": number(row.score, 2), "state": "scored", "finding": finding}
    status, reason = reasons[row.architecture, row.task, row.length]
    state = status.replace("_", " ")
    return {"label": "", "state": state, "finding": f"{state} at {row.length}: {reason}"}


def _reasons(trials: pd.DataFrame) -> dict[tuple[Any, ...], tuple[str, str]]:
    """By architecture, task and length: how the first trial that gives a reason ended, and why."""
    ended = trials.assign(why=trials["reason"].fillna("no reason was given"))
    ordered = ended.sort_values("status", key=lambda status: status == Status.OK, kind="stable")
    first = ordered.groupby(KEY)[["status", "why"]].first()
    return {cell_id: (status, why) for cell_id, status, why in first.itertuples(name=None)}
