"""Heat maps of attention: queries against keys."""

from collections.abc import Iterator, Sequence
from itertools import islice

import altair as alt
import pandas as pd

from lagbench.record import AttentionMap, Record
from lagbench.registry import slug
from lagbench.report.palette import COLOURS
from lagbench.report.panels import Figure, panels

MAX_FIGURES = 12
"""In a report: the first architectures and tasks by name; the records have all maps."""
MAX_PANELS = 6
"""Layers and examples in one figure."""
CELL = 15
"""Pixels of a query and of a key."""
MIN_SIDE = 110
"""Pixels of a side."""


def attention_figures(records: Sequence[Record]) -> Iterator[Figure]:
    """A figure for each architecture on each task, at the longest length that has maps."""
    mapped = [record for record in records if record.attention_maps]
    shown = sorted(mapped, key=lambda r: (r.task, r.architecture, r.length))
    longest = {(record.task, record.architecture): record for record in shown}
    yield from islice(map(_figure, longest.values()), MAX_FIGURES)


def _figure(record: Record) -> Figure:
    maps = record.attention_maps[:MAX_PANELS]
    rows = pd.DataFrame([row for attention_map in maps for row in _rows(attention_map)])
    width, height = (
        max(MIN_SIDE, CELL * max(len(getattr(attention_map, side)) for attention_map in maps))
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


def _rows(attention_map: AttentionMap) -> Iterator[dict[str, object]]:
    panel = f"example {attention_map.example + 1}, layer {attention_map.layer + 1}"
    rows = zip(attention_map.queries, attention_map.weights, strict=True)
    for i, (query, weights) in enumerate(rows):
        for j, (key, weight) in enumerate(zip(attention_map.keys, weights, strict=True)):
            yield {
                "panel": panel,
                "query": f"{i:03d}{query}",  # the index keeps equal symbols apart, in order
                "key": f"{j:03d}{key}",
                "weight": weight / 1000,
            }


def _axis() -> alt.Axis:
    """An axis that names every step, without its index."""
    return alt.Axis(
        labelExpr="slice(datum.label, 3)",
        labelAngle=0,
        labelFontSize=10,
        labelLimit=60,
        labelOverlap=False,
        ticks=False,
    )
