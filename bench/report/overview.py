"""The charts over all tasks: who reaches how far, where, and at what price."""

import altair as alt
import pandas as pd

from bench.report.panels import (
    FLOOR,
    GREY,
    Figure,
    Style,
    colour,
    dash,
    guide,
    length_axis,
    panels,
    score_axis,
    score_guides,
    shape,
)  # fmt: skip


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
    scale = alt.Scale(type="log", base=2, nice=False, padding=14)
    speed = alt.X("speed:Q", title=f"{work} speed, reference = 1", scale=scale)
    speed = speed.axis(format="~g", tickCount=4)
    base = alt.Chart().encode(x=speed, y=score_axis("score"))
    front = base.transform_filter(alt.datum.front)
    own = base.encode(color=colour(style))
    layers = [
        *score_guides(),
        front.mark_line(color=GREY, strokeWidth=1.5),
        front.mark_point(color=GREY, size=230, strokeWidth=1.5),
        own.mark_rule(opacity=0.6).encode(y=score_axis("score_low"), y2=alt.Y2("score_high")),
        own.mark_point(size=90, filled=True, opacity=1).encode(
            shape=shape(style),
            tooltip=[*_score_tooltip(), alt.Tooltip("speed:Q", title="relative speed")],
        ),
    ]
    panel = price["task"] + ", length " + price["length"].astype(str)
    return Figure(
        f"price_{work}",
        f"Score against {work} speed",
        "At the longest length at which a task was scored. Up is better, right is cheaper. Ringed "
        "and joined is the Pareto front: whom no other beats in one without losing in the other. "
        "Bars are 95% intervals over the seeds.",
        panels(price.assign(panel=panel), layers, "panel"),
    )


def ranks(ranked: pd.DataFrame, style: Style) -> Figure:
    """Average ranks, and how far apart they must be."""
    half = ranked["critical_difference"] / 2
    frame = ranked.assign(
        low=ranked["rank"] - half,
        high=ranked["rank"] + half,
        panel="1 is best",
    )
    tooltip = [
        alt.Tooltip("architecture:N"),
        alt.Tooltip("rank:Q", title="average rank"),
        alt.Tooltip("critical_difference:Q", title="critical difference"),
        alt.Tooltip("score:Q", title="score overall", format=".3f"),
    ]
    names = alt.Axis(labelLimit=110, ticks=False)
    base = alt.Chart().encode(
        y=alt.Y("architecture:N", title=None, sort=frame["architecture"].tolist(), axis=names),
        color=colour(style).legend(None),
        tooltip=tooltip,
    )
    scale = alt.Scale(zero=False)
    layers = [
        base.mark_rule(strokeWidth=3, opacity=0.5).encode(
            x=alt.X("low:Q", title="average rank", scale=scale), x2="high:Q"
        ),
        base.mark_point(size=90, filled=True, opacity=1).encode(
            x=alt.X("rank:Q", title="average rank", scale=scale), shape=shape(style).legend(None)
        ),
    ]
    return Figure(
        "ranks",
        "Average ranks",
        f"Of the scores in {ranked['blocks'].iloc[0]} cells, each a task at a length. Bars are one "
        "critical difference wide (Nemenyi): two architectures whose bars overlap are not "
        "distinguished.",
        panels(frame, layers, "panel", height=alt.Step(22)),
    )


def speed(speeds: pd.DataFrame, style: Style) -> Figure:
    """Throughput beside the reference model's."""
    tooltip = [
        alt.Tooltip("architecture:N"),
        alt.Tooltip("relative:Q", title="relative to the reference", format=".2f"),
        alt.Tooltip("tokens_per_second:Q", title="tokens per second", format=",.0f"),
        alt.Tooltip("cells:Q", title="tasks and lengths measured"),
    ]
    bars = alt.Chart().encode(
        y=alt.Y("architecture:N", title=None, axis=alt.Axis(labelLimit=110, ticks=False)),
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
