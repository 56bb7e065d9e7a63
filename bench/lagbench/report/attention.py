"""Attention as pictures: what was read on one axis, and where each step looked on the other."""

from collections.abc import Iterator, Sequence
from itertools import groupby, islice

import altair as alt
import pandas as pd

from lagbench.record import AttentionMap, Record
from lagbench.registry import slug
from lagbench.report.palette import COLOURS
from lagbench.report.panels import Figure, panels

MOST = 12
"""Pictures in a report: the first architectures and tasks by name; the records have all maps."""
MOST_PANELS = 6
"""Layers and examples in one picture."""
CELL = 15
"""Pixels of a query and of a key."""
LEAST = 110
"""Pixels of a side."""


def attention_figures(records: Sequence[Record]) -> Iterator[Figure]:
    """A figure for each architecture on each task, at the longest length that has maps."""
    shown = sorted((r for r in records if r.attention_maps), key=_place)
    longest = [list(own)[-1] for _, own in groupby(shown, key=lambda r: (r.task, r.architecture))]
    yield from islice(map(_figure, longest), MOST)


def _place(record: Record) -> tuple[str, str, int]:
    return record.task, record.architecture, record.length


def _figure(record: Record) -> Figure:
    maps = record.attention_maps[:MOST_PANELS]
    rows = pd.DataFrame([row for each in maps for row in _rows(each)])
    width, height = (
        max(LEAST, CELL * max(len(getattr(each, side)) for each in maps))
        for side in ("keys", "queries")
    )
    layers = [
        alt.Chart()
        .mark_rect(color=COLOURS[0])
        .encode(
            x=alt.X("key:N", title="looks at", axis=_axis()),
            y=alt.Y("query:N", title="from", axis=_axis()),
            opacity=alt.Opacity(
                "weight:Q", legend=None, scale=alt.Scale(domain=[0, 1], range=[0, 1])
            ),
            tooltip=[alt.Tooltip("weight:Q", format=".3f")],
        )
    ]
    order = list(rows["panel"].unique())
    chart = panels(rows, layers, "panel", order, height, width, shared=False)
    chart["resolve"]["scale"] = {"x": "independent", "y": "independent"}
    chart["resolve"]["axis"] = {"x": "independent", "y": "independent"}
    return Figure(
        f"attention_{slug(record.task)}-{slug(record.architecture)}",
        f"Attention: {record.architecture} on {record.task}",
        f"Where each step of a test example looks, at length {record.length}, after training with "
        f"seed {record.seed}: weights from 0 to 1, means over the heads of a layer. A decoder's "
        "rows are what it writes, all others what is read.",
        chart,
        record.task,
        record.architecture,
    )


def _rows(each: AttentionMap) -> Iterator[dict[str, object]]:
    panel = f"example {each.example + 1}, layer {each.layer + 1}"
    for place, (query, weights) in enumerate(zip(each.queries, each.weights, strict=True)):
        for other, (key, weight) in enumerate(zip(each.keys, weights, strict=True)):
            yield {
                "panel": panel,
                "query": f"{place:03d}{query}",  # the place keeps equal symbols apart, in order
                "key": f"{other:03d}{key}",
                "weight": weight / 1000,
            }


def _axis() -> alt.Axis:
    """An axis that names every step, without the place before its name."""
    return alt.Axis(
        labelExpr="slice(datum.label, 3)",
        labelAngle=0,
        labelFontSize=10,
        labelLimit=60,
        labelOverlap=False,
        ticks=False,
    )
