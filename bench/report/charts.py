"""The charts of a report. Only this file and `bench.report.panels` know Altair."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import altair as alt
import pandas as pd

from bench.registry import slug
from bench.report import series
from bench.report.palette import Look, looks
from bench.report.panels import (
    FLOOR,
    GREY,
    colour,
    dash,
    guide,
    length_axis,
    panels,
    score_axis,
    score_guides,
    shape,
)  # fmt: skip
from bench.report.tables import Tables

VEGA_LITE = alt.SCHEMA_VERSION.removeprefix("v").rpartition(".")[0]

FAINTEST = 1e-12
"""Gradients below this are drawn here."""

Style = dict[str, Look]


@dataclass(frozen=True)
class Figure:
    """A chart with its name, which is a file's too, and what to tell the reader."""

    name: str
    title: str
    caption: str
    specification: dict[str, Any]  # Vega-Lite, its data within


def figures(tables: Tables) -> Iterator[Figure]:
    """All figures that the tables have something to draw for."""
    style = looks(tables.summary)
    parts: list[tuple[pd.DataFrame, Callable[[pd.DataFrame, Style], Figure]]] = [
        (series.scores(tables.summary), _score),
        (series.price(tables.summary), _price),
        (series.speeds(tables.summary), _speed),
    ]
    for frame, draw in parts:
        if len(frame):
            yield draw(frame, _present(frame, style))
    yield from _by_task(series.lag_accuracy(tables), style, _lag)
    yield from _by_task(series.gradient_reach(tables), style, _gradient)
    yield from _by_task(series.influence(tables), style, _influence)
    yield from _by_task(series.learning(tables), style, _learning)


def _by_task(
    lines: pd.DataFrame, style: Style, draw: Callable[[str, str, pd.DataFrame, Style], Figure]
) -> Iterator[Figure]:
    for task, own in lines.groupby("task"):
        own = own.assign(panel="length " + own["length"].astype(str))
        yield draw(slug(str(task)), str(task), own, _present(own, style))


def _score(scores: pd.DataFrame, style: Style) -> Figure:
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


def _price(price: pd.DataFrame, style: Style) -> Figure:
    scale = alt.Scale(type="log", base=2, nice=False, padding=14)
    speed = alt.X("train_relative:Q", title="training speed, reference = 1", scale=scale)
    base = alt.Chart().encode(
        x=speed.axis(format="~g", tickCount=4), y=score_axis("score"), color=colour(style)
    )
    layers = [
        *score_guides(),
        base.mark_rule(opacity=0.6).encode(y=score_axis("score_low"), y2=alt.Y2("score_high")),
        base.mark_point(size=90, filled=True, opacity=1).encode(
            shape=shape(style), tooltip=_score_tooltip()
        ),
    ]
    panel = price["task"] + ", length " + price["length"].astype(str)
    return Figure(
        "price",
        "Score against speed",
        "At the longest length at which a task was scored. Up is better, right is cheaper; bars "
        "are 95% intervals over the seeds.",
        panels(price.assign(panel=panel), layers, "panel"),
    )


def _speed(speeds: pd.DataFrame, style: Style) -> Figure:
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


def _lag(name: str, task: str, lines: pd.DataFrame, style: Style) -> Figure:
    base = alt.Chart().encode(
        x=alt.X("x:Q", title="lag in steps", axis=alt.Axis(tickCount=5)),
        y=alt.Y("value:Q", title="accuracy", scale=alt.Scale(domain=[0, 1])),
        color=colour(style),
    )
    chance = alt.Chart().mark_rule(strokeDash=[3, 3], color=GREY)
    tooltip = [
        alt.Tooltip("architecture:N"),
        alt.Tooltip("x:Q", title="lag"),
        alt.Tooltip("value:Q", title="accuracy"),
        alt.Tooltip("chance:Q"),
    ]
    layers = [
        chance.encode(y=alt.Y("mean(chance):Q", title="accuracy")),
        *_lines(base.encode(tooltip=tooltip), style),
    ]
    return Figure(
        f"lag_{name}",
        f"Accuracy by lag: {task}",
        "How many steps back lies what decides the answer. Means over the targets of all seeds; "
        "the broken line is chance.",
        panels(lines, layers, "panel", _by_length(lines), shared=False),
    )


def _gradient(name: str, task: str, lines: pd.DataFrame, style: Style) -> Figure:
    scale = alt.Scale(type="log", domainMin=FAINTEST, clamp=True)
    base = alt.Chart().encode(
        x=alt.X("x:Q", title="steps back", axis=alt.Axis(tickCount=5)),
        y=alt.Y("value:Q", title="gradient", scale=scale, axis=alt.Axis(format="~e", tickCount=5)),
        color=colour(style),
        tooltip=[
            alt.Tooltip("architecture:N"),
            alt.Tooltip("x:Q", title="steps back"),
            alt.Tooltip("value:Q", title="gradient", format=".2e"),
        ],
    )
    return Figure(
        f"gradient_{name}",
        f"Gradient reach: {task}",
        "How much the loss at the last target still learns from an input so many steps back, after "
        "training: the norm of its gradient, the largest being 1, in means over examples and "
        f"seeds. Below {FAINTEST:g} it is drawn there.",
        panels(lines, _lines(base, style), "panel", _by_length(lines)),
    )


def _influence(name: str, task: str, lines: pd.DataFrame, style: Style) -> Figure:
    axis = alt.Y("value:Q", title="movement of the answer")
    base = alt.Chart().encode(
        x=alt.X("x:Q", title="steps back", axis=alt.Axis(tickCount=5)),
        y=axis,
        color=colour(style),
        tooltip=[
            alt.Tooltip("architecture:N"),
            alt.Tooltip("x:Q", title="steps back"),
            alt.Tooltip("value:Q", title="movement", format=".3f"),
            alt.Tooltip("oracle:Q", title="of the oracle", format=".3f"),
        ],
    )
    oracle = alt.Chart().mark_line(strokeDash=[3, 3], color=GREY)
    layers = [
        oracle.encode(x=alt.X("x:Q"), y=alt.Y("mean(oracle):Q", title="movement of the answer")),
        *_lines(base, style),
    ]
    return Figure(
        f"influence_{name}",
        f"Influence: {task}",
        "How far answers move when the input so many steps back is exchanged for another "
        "example's: the total variation of the distribution over symbols, or the change of values "
        "in standard deviations. The broken line is the oracle, which moves where it should.",
        panels(lines, layers, "panel", _by_length(lines)),
    )


def _learning(name: str, task: str, lines: pd.DataFrame, style: Style) -> Figure:
    examples = alt.X("examples:Q", title="training examples")
    base = alt.Chart().encode(
        x=examples.axis(tickCount=4, format="~s"),
        y=score_axis("validation_score"),
        color=colour(style),
        tooltip=[
            alt.Tooltip("architecture:N"),
            alt.Tooltip("examples:Q", format=",.0f"),
            alt.Tooltip("validation_score:Q", title="validation score"),
        ],
    )
    return Figure(
        f"learning_{name}",
        f"Learning: {task}",
        "Score on the validation split at the selected learning rate, means over the seeds.",
        panels(lines, [*score_guides(), *_lines(base, style)], "panel", _by_length(lines)),
    )


def _lines(base: alt.Chart, style: Style) -> list[alt.Chart]:
    return [
        base.mark_line(strokeWidth=2).encode(strokeDash=dash(style)),
        base.mark_point(size=22, filled=True, opacity=1).encode(shape=shape(style)),
    ]


def _by_length(lines: pd.DataFrame) -> list[str]:
    return list(lines.sort_values("length")["panel"].unique())


def _present(frame: pd.DataFrame, style: Style) -> Style:
    """The looks of the architectures that a chart shows; their legend names no others."""
    return {name: style[name] for name in sorted(frame["architecture"].unique())}


def _score_tooltip() -> list[alt.Tooltip]:
    return [
        alt.Tooltip("architecture:N"),
        alt.Tooltip("length:Q"),
        alt.Tooltip("score:Q", format=".3f"),
        alt.Tooltip("interval:N", title="95% interval"),
        alt.Tooltip("seeds:Q"),
    ]
