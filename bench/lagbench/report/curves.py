"""The charts of one task: lines over lags, over training and over learning rates, by length."""

import altair as alt
import pandas as pd

from lagbench.report.lr_windows import GOOD_SHARE
from lagbench.report.panels import (
    GREY,
    Figure,
    Style,
    colour,
    dash,
    log_scale,
    panels,
    score_axis,
    score_guides,
    shape,
)  # fmt: skip

FAINTEST = 1e-12
"""Gradients below this are drawn here."""


def lag(name: str, task: str, lines: pd.DataFrame, style: Style) -> Figure:
    """Accuracy by lag, with chance."""
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
        task,
    )


def gradient(name: str, task: str, lines: pd.DataFrame, style: Style) -> Figure:
    """The gradient against steps back."""
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
        task,
    )


def influence(name: str, task: str, lines: pd.DataFrame, style: Style) -> Figure:
    """How far answers move with inputs so many steps back."""
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
        task,
    )


def learning(name: str, task: str, lines: pd.DataFrame, style: Style) -> Figure:
    """Validation score against training examples."""
    examples = alt.X("examples:Q", title="training examples")
    layers = _learning(examples.axis(tickCount=4, format="~s"), style)
    return Figure(
        f"learning_{name}",
        f"Learning: {task}",
        "Score on the validation split at the selected learning rate, means over the seeds.",
        panels(lines, layers, "panel", _by_length(lines)),
        task,
    )


def seconds(name: str, task: str, lines: pd.DataFrame, style: Style) -> Figure:
    """Validation score against seconds of training."""
    axis = alt.X("seconds:Q", title="seconds of training").axis(tickCount=4, format="~g")
    return Figure(
        f"seconds_{name}",
        f"Learning by the clock: {task}",
        "The same against time: what these examples take at the training speed that was measured "
        "apart, one model at a time.",
        panels(lines, _learning(axis, style), "panel", _by_length(lines), shared=False),
        task,
    )


def _learning(x: alt.X, style: Style) -> list[alt.Chart]:
    """Layers of validation score against whatever `x` is."""
    base = alt.Chart().encode(
        x=x,
        y=score_axis("validation_score"),
        color=colour(style),
        tooltip=[
            alt.Tooltip("architecture:N"),
            alt.Tooltip(x.shorthand, format=",.4~g"),
            alt.Tooltip("validation_score:Q", title="validation score"),
        ],
    )
    return [*score_guides(), *_lines(base, style)]


def rates(name: str, task: str, lines: pd.DataFrame, style: Style) -> Figure:
    """Validation score against the learning rate."""
    rate = alt.X("learning_rate:Q", title="learning rate", scale=log_scale(lines["learning_rate"]))
    axis = alt.Axis(values=sorted(lines["learning_rate"].unique()), format="~g")
    base = alt.Chart().encode(
        x=rate.axis(axis),
        y=score_axis("validation_score"),
        color=colour(style),
        tooltip=[
            alt.Tooltip("architecture:N"),
            alt.Tooltip("learning_rate:Q", title="learning rate"),
            alt.Tooltip("validation_score:Q", title="validation score"),
            alt.Tooltip("seeds:Q"),
        ],
    )
    good = base.transform_filter(alt.datum.good).mark_line(strokeWidth=6, opacity=0.35)
    chosen = base.transform_filter(alt.datum.selected).mark_point(size=160, strokeWidth=1.5)
    return Figure(
        f"rates_{name}",
        f"Learning rates: {task}",
        "Score on the validation split at every learning rate tried, means over the seeds. "
        f"Ringed: the selected rate; broad: the window of rates that reach {GOOD_SHARE:.0%} of its "
        "score. A rate that was stopped early counts with what it had reached.",
        panels(lines, [*score_guides(), good, *_lines(base, style), chosen], "panel"),
        task,
    )


def _lines(base: alt.Chart, style: Style) -> list[alt.Chart]:
    return [
        base.mark_line(strokeWidth=2).encode(strokeDash=dash(style)),
        base.mark_point(size=22, filled=True, opacity=1).encode(shape=shape(style)),
    ]


def _by_length(lines: pd.DataFrame) -> list[str]:
    return list(lines.sort_values("length")["panel"].unique())
