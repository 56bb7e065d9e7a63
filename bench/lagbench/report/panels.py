"""What the charts share: panels side by side, axes, guides, and the look of each architecture.

Lines and letters are of a grey that reads on a white and on a dark page.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import altair as alt
import pandas as pd

from lagbench.report.palette import Look

VEGA_LITE = alt.SCHEMA_VERSION.removeprefix("v").rpartition(".")[0]
"""The version of Vega-Lite that the figures are written in."""
COLUMNS = 3
"""The most panels side by side in a file; a page makes room for as many as fit."""
WIDTH, HEIGHT = 230, 180
FLOOR = -0.1
"""Scores below this are drawn here: errors have no upper bound."""
GREY = "#777777"
ROWS = "rows"
"""The name of the data of a chart in its specification."""

_TEXT = {"labelColor": GREY, "titleColor": GREY, "labelFontSize": 12, "titleFontSize": 12}
_LINES = {"domainColor": GREY, "tickColor": GREY, "gridColor": GREY, "gridOpacity": 0.15}
_CONFIG = {
    "background": "transparent",
    "font": "system-ui, sans-serif",
    "padding": 16,  # whoever shows a file may have a wider font than it was measured with
    "view": {"stroke": None},
    "axis": {**_TEXT, **_LINES, "titleFontWeight": "normal", "labelOverlap": True},
    "header": {
        "title": None,
        "labelColor": GREY,
        "labelFontSize": 13,
        "labelFontWeight": "bold",
        "labelAnchor": "start",
        "labelLimit": WIDTH,
    },
    "legend": {
        **_TEXT,
        "title": None,
        "orient": "bottom",
        "columns": COLUMNS,
        "labelLimit": 220,
        "symbolSize": 90,
        "symbolOpacity": 1,
        "symbolLimit": 1000,
    },
}
_SCORE_LABEL = "{0: 'chance 0', 1: 'optimum 1'}[datum.value] || format(datum.value, '.2~f')"

Style = dict[str, Look]


@dataclass(frozen=True)
class Figure:
    """A chart with its name, which is a file's too, and what to tell the reader."""

    kind: ClassVar = "figure"
    name: str
    title: str
    caption: str
    specification: dict[str, Any]  # Vega-Lite, its data within
    task: str | None = None  # None: it is about several
    architecture: str | None = None  # likewise


def panels(
    frame: pd.DataFrame,
    layers: Sequence[alt.Chart],
    panel: str,
    order: Sequence[str] | None = None,
    height: int | alt.Step = HEIGHT,
    width: int | alt.Step = WIDTH,
    shared: bool = True,
    own_y: bool = False,
) -> dict[str, Any]:
    """Layers over the rows of one frame, a panel for each value of its column `panel`.

    shared: whether all panels have one x scale; own_y: whether each has a y scale of its own.
    Returns a Vega-Lite specification that holds its data: the columns that it shows, and those that
    a page filters by.
    """
    count = frame[panel].nunique()
    columns = math.ceil(count / math.ceil(count / COLUMNS))
    facet = alt.Facet(f"{panel}:N", sort=list(order) if order else "ascending")
    layered = alt.layer(*layers).properties(width=width, height=height)
    faceted = layered.facet(facet=facet, columns=columns, data=alt.NamedData(ROWS))
    if not shared:
        faceted = faceted.resolve_scale(x="independent")
    if own_y:
        faceted = faceted.resolve_scale(y="independent")
    styled = faceted.resolve_axis(x="independent").properties(config=_CONFIG)
    # Validating costs as much as drawing; the tests do it, and the form does not hang on the data.
    chart: dict[str, Any] = styled.to_dict(validate=False)
    return chart | {"datasets": {ROWS: _plain(frame[_columns(chart, frame)])}}


def length_axis(lengths: pd.Series) -> alt.X:
    """Lengths on a scale of powers of two, a tick at each that was tried."""
    axis = alt.Axis(values=sorted(map(int, lengths.unique())), format="d", grid=False)
    scale = alt.Scale(type="log", base=2, nice=False, padding=12)
    return alt.X("length:Q", title="length", axis=axis, scale=scale)


def log_scale(values: pd.Series, room: float = 1.25) -> alt.Scale:
    """A scale around all values, also where a layer or a filter leaves none of them to show."""
    bounds = [float(values.min()) / room, float(values.max()) * room]
    return alt.Scale(type="log", base=2, domain=bounds, nice=False)


def score_axis(column: str) -> alt.Y:
    """Scores from chance to the optimum."""
    ticks = [0, 0.25, 0.5, 0.75, 1]
    axis = alt.Axis(values=ticks, labelExpr=_SCORE_LABEL, labelOverlap=False)
    scale = alt.Scale(domain=[FLOOR, 1.05], clamp=True)
    return alt.Y(f"{column}:Q", title=None, axis=axis, scale=scale)


def score_guides() -> list[alt.Chart]:
    """Lines at chance and at the optimum."""
    return [guide(y=alt.YDatum(0)), guide(y=alt.YDatum(1))]


def guide(**at: alt.XDatum | alt.YDatum) -> alt.Chart:
    """A broken line across every panel."""
    once = alt.SequenceGenerator(alt.SequenceParams(start=0, stop=1))
    chart: alt.Chart = alt.Chart(once).mark_rule(strokeDash=[3, 3], color=GREY).encode(**at)
    return chart


def colour(style: Style) -> alt.Color:
    """The colour of each architecture in `style`."""
    return alt.Color("architecture:N", scale=_scale(style, "colour"))


def shape(style: Style) -> alt.Shape:
    """The point shape of each architecture in `style`."""
    return alt.Shape("architecture:N", scale=_scale(style, "shape"))


def dash(style: Style) -> alt.StrokeDash:
    """The line dash of each architecture in `style`."""
    return alt.StrokeDash("architecture:N", scale=_scale(style, "dash"))


def _scale(style: Style, kind: str) -> alt.Scale:
    return alt.Scale(domain=list(style), range=[getattr(look, kind) for look in style.values()])


def _columns(chart: dict[str, Any], frame: pd.DataFrame) -> list[str]:
    """The columns that a chart shows or chooses by, and the task where there are several."""
    several = {name for name in ("task",) if name in frame and frame[name].nunique() > 1}
    return sorted((_fields(chart) | several).intersection(frame.columns))


def _fields(part: Any) -> set[str]:
    """The columns that a specification, or a part of one, names."""
    if isinstance(part, list):
        return set().union(*map(_fields, part))
    if not isinstance(part, dict):
        return set(re.findall(r"datum\.(\w+)", part)) if isinstance(part, str) else set()
    field_names = {part["field"]} if isinstance(part.get("field"), str) else set()
    return field_names.union(*map(_fields, part.values()))


def _plain(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of plain values: four figures are more than a chart shows; None: not measured."""
    columns = {
        str(name): [None if pd.isna(value) else _rounded(value) for value in frame[name].tolist()]
        for name in frame
    }
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _rounded(value: Any) -> Any:
    return float(f"{value:.4g}") if isinstance(value, float) else value
