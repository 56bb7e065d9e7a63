"""The figures of a report: whatever the tables have something to draw for."""

from collections.abc import Callable, Iterator

import pandas as pd

from lagbench.registry import slug
from lagbench.report import curves, matrix, overview, series
from lagbench.report.palette import looks
from lagbench.report.panels import Figure, Style
from lagbench.report.tables import Tables

Overview = tuple[pd.DataFrame, Callable[[pd.DataFrame, Style], Figure]]
ByTask = tuple[pd.DataFrame, Callable[[str, str, pd.DataFrame, Style], Figure]]


def run_figures(tables: Tables) -> Iterator[Figure]:
    """All figures, those over all tasks first."""
    style = looks(tables.summary)
    overviews: list[Overview] = [
        (series.scores(tables.summary), overview.score),
        (series.horizons(tables), overview.horizons),
        (matrix.outcomes(tables), matrix.matrix),
        (series.ranks(tables), overview.ranks),
        (series.price(tables.summary, "train_relative"), overview.training_price),
        (series.price(tables.summary, "inference_relative"), overview.inference_price),
        (series.speeds(tables.summary), overview.speed),
    ]
    by_task: list[ByTask] = [
        (series.lag_accuracy(tables), curves.lag),
        (series.gradient_reach(tables), curves.gradient),
        (series.influence(tables), curves.influence),
        (series.learning(tables), curves.learning),
        (series.learning_seconds(tables), curves.seconds),
        (series.rates(tables), curves.rates),
    ]
    for frame, draw in overviews:
        if len(frame):
            yield draw(frame, _present(frame, style))
    for lines, draw_task in by_task:
        for task, rows in lines.groupby("task"):
            rows = rows.assign(panel="length " + rows["length"].astype(str))
            yield draw_task(slug(str(task)), str(task), rows, _present(rows, style))


def _present(frame: pd.DataFrame, style: Style) -> Style:
    """The looks of the architectures that a chart shows; their legend names no others."""
    return {name: style[name] for name in sorted(frame["architecture"].unique())}
