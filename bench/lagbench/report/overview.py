"""The charts over all tasks: scores, horizons, ranks and costs."""

import altair as alt
import numpy as np
import pandas as pd

from lagbench.report.panels import (
    FLOOR,
    GREY,
    Figure,
    Style,
    colour,
    dash,
    guide,
    length_axis,
    log_scale,
    panels,
    score_axis,
    score_guides,
    shape,
)  # fmt: skip
from lagbench.report.statistics import HOLDS

_NAMES = alt.Axis(labelLimit=110, ticks=False)


def score(scores: pd.DataFrame, style: Style) -> Figure:
    """Score against length, between chance and the optimum."""
    base = alt.Chart().encode(
        x=length_axis(scores["length"]), y=score_axis("score"), color=colour(style)
    )
    bounds = {"y": score_axis("score_low"), "y2": alt.Y2("score_high")}
    layers = [
        base.mark_area(opacity=0.13).encode(**bounds),
        base.mark_rule(opacity=0.6).encode(**bounds),
        *score_guides(),
        base.mark_line(strokeWidth=2).encode(strokeDash=dash(style)),
        base.mark_point(size=45, filled=True, opacity=1).encode(
            shape=shape(style), tooltip=_score_tooltip()
        ),
    ]
    return Figure(
        "score",
        "Score against length",
        "On the test split: 0 is chance, 1 the optimum. Bands and bars: 95% bootstrap intervals "
        f"over the seeds; a single seed has none. Scores below {FLOOR} are drawn there.",
        panels(scores, layers, "task"),
    )


def training_price(price: pd.DataFrame, style: Style) -> Figure:
    """Score against the speed of training."""
    return _price("training", price, style)


def inference_price(price: pd.DataFrame, style: Style) -> Figure:
    """Score against the speed of inference."""
    return _price("inference", price, style)


def _price(work: str, price: pd.DataFrame, style: Style) -> Figure:
    scale = log_scale(price["speed"])
    speed = alt.X("speed:Q", title=f"{work} speed, reference = 1", scale=scale)
    speed = speed.axis(format="~g", tickCount=4)
    base = alt.Chart().encode(x=speed, y=score_axis("score"))
    front = base.transform_filter(alt.datum.front)
    coloured = base.encode(color=colour(style))
    layers = [
        *score_guides(),
        front.mark_line(color=GREY, strokeWidth=1.5),
        front.mark_point(color=GREY, size=230, strokeWidth=1.5),
        coloured.mark_rule(opacity=0.6).encode(y=score_axis("score_low"), y2=alt.Y2("score_high")),
        coloured.mark_point(size=90, filled=True, opacity=1).encode(
            shape=shape(style),
            tooltip=[*_score_tooltip(), alt.Tooltip("speed:Q", title="relative speed")],
        ),
    ]
    panel = price["task"] + ", length " + price["length"].astype(str)
    return Figure(
        f"price_{work}",
        f"Score against {work} speed",
        "At the longest length at which a task was scored; up is better, right is faster. Ringed: "
        "no other model is both faster and better (the Pareto front). Bars are 95% intervals over "
        "the seeds.",
        panels(price.assign(panel=panel), layers, "panel"),
    )


def horizons(horizon_rows: pd.DataFrame, style: Style) -> Figure:
    """The horizon of each architecture on each task, with intervals."""
    lengths = pd.concat([horizon_rows["shortest"], horizon_rows["longest"]])
    ticks = alt.Axis(values=sorted(map(int, lengths.unique())), format="d")
    length = alt.X("horizon:Q", title="length", axis=ticks, scale=log_scale(lengths, 2.5))
    base = alt.Chart().encode(
        y=alt.Y("architecture:N", title=None, axis=_NAMES),
        color=colour(style).legend(None),
        tooltip=[
            alt.Tooltip("architecture:N"),
            alt.Tooltip("reach:N", title="reaches"),
            alt.Tooltip("interval:N", title="95% interval"),
            alt.Tooltip("seeds:Q"),
        ],
    )
    layers = [
        base.mark_bar(height=6, opacity=0.35).encode(x=length, x2="start:Q"),
        base.mark_rule(strokeWidth=2).encode(x=alt.X("low:Q"), x2="high:Q"),
        base.mark_point(size=80, filled=True, opacity=1).encode(
            x=length, shape=shape(style).legend(None)
        ),
        base.mark_text(align="left", dx=9, dy=-7, fontSize=11).encode(
            x=length, text="reach:N", color=alt.value(GREY)
        ),
    ]
    return Figure(
        "horizons",
        "How far back",
        f"The length up to which the score is {HOLDS} or more, there and at every shorter length, "
        "interpolated between the tested lengths; ≥: the longest tried holds; <: not even the "
        "shortest. Lines are 95% bootstrap intervals over the seeds; a single seed has none.",
        panels(horizon_rows, layers, "task", height=alt.Step(26)),
    )


def ranks(ranked: pd.DataFrame, style: Style) -> Figure:
    """Average ranks and groups that are not distinguished: a critical-difference diagram."""
    difference = float(ranked["critical_difference"].iloc[0])
    frame = pd.concat([ranked, _groups(ranked, difference)]).assign(panel="1 is best")
    order = frame["row"].tolist()
    row_axis = alt.Y("row:N", title=None, sort=order, axis=_NAMES)
    ends = frame[["rank", "end"]].to_numpy(float)
    scale = alt.Scale(domain=[1, max(2.0, float(np.nanmax(ends)))], nice=True)
    rank = alt.X("rank:Q", title="average rank", scale=scale, axis=alt.Axis(tickCount=6))
    base = alt.Chart().encode(y=row_axis, x=rank)
    group = base.transform_filter("isValid(datum.end)").encode(x2="end:Q")
    tooltip = [
        alt.Tooltip("architecture:N"),
        alt.Tooltip("rank:Q", title="average rank", format=".2f"),
        alt.Tooltip("score:Q", title="score overall", format=".3f"),
    ]
    coloured = base.transform_filter("isValid(datum.architecture)")
    layers = [
        group.mark_rule(color=GREY, strokeWidth=7, strokeCap="round"),  # equal ranks show, too
        coloured.mark_point(size=90, filled=True, opacity=1).encode(
            color=colour(style).legend(None), shape=shape(style).legend(None), tooltip=tooltip
        ),
    ]
    return Figure(
        "ranks",
        "Average ranks",
        f"Critical-difference diagram: average ranks of the scores in {ranked['blocks'].iloc[0]} "
        "cells, each a task at a length. The bar of a group joins architectures that are not "
        "distinguished, as their ranks are no further apart than CD, the critical difference "
        "(Nemenyi).",
        panels(frame, layers, "panel", height=alt.Step(22)),
    )


def _groups(ranked: pd.DataFrame, difference: float) -> pd.DataFrame:
    """A row for each group of ranks that are not distinguished, and one for the difference."""
    best = float(ranked["rank"].min())
    rows = [
        {"row": f"group {letter}", "rank": coloured["rank"].min(), "end": coloured["rank"].max()}
        for letter in sorted(set("".join(ranked["clique"].fillna(""))))
        for coloured in [ranked[ranked["clique"].str.contains(letter, regex=False).fillna(False)]]
    ]
    scale = {"row": f"CD {difference:.2f}", "rank": best, "end": best + difference}
    return pd.DataFrame([*rows, scale])


def speed(speeds: pd.DataFrame, style: Style) -> Figure:
    """Throughput beside the reference model's."""
    tooltip = [
        alt.Tooltip("architecture:N"),
        alt.Tooltip("relative:Q", title="relative to the reference", format=".2f"),
        alt.Tooltip("tokens_per_second:Q", title="tokens per second", format=",.0f"),
        alt.Tooltip("cells:Q", title="tasks and lengths measured"),
    ]
    bars = alt.Chart().encode(
        y=alt.Y("architecture:N", title=None, axis=_NAMES),
        x=alt.X("relative:Q", title="tokens/s, reference = 1", axis=alt.Axis(tickCount=5)),
        color=colour(style).legend(None),
        tooltip=tooltip,
    )
    layers = [bars.mark_bar(), guide(x=alt.XDatum(1))]
    return Figure(
        "speed",
        "Speed",
        "Tokens per second relative to the reference model, measured beside it in the same "
        "process; geometric means over tasks and lengths.",
        panels(speeds, layers, "work", ["training", "inference"], alt.Step(22)),
    )


def _score_tooltip() -> list[alt.Tooltip]:
    return [
        alt.Tooltip("architecture:N"),
        alt.Tooltip("length:Q"),
        alt.Tooltip("score:Q", format=".3f"),
        alt.Tooltip("interval:N", title="95% interval"),
        alt.Tooltip("seeds:Q"),
    ]
