"""The panels of dashboards, drawn by W&B from the runs of the pairs and of the trials."""

from collections.abc import Sequence
from typing import Any

from wandb_workspaces.reports import v2 as wr

from lagbench.tracking.suite import score_name


def scores(tasks: Sequence[str]) -> list[Any]:
    """A panel for each task: its score by length."""
    return [
        _by_architecture(
            f"Score against length: {task}", "length", score_name(task), range_y=(-0.1, 1)
        )
        for task in tasks
    ]


def gradients() -> Any:
    """How far back gradients reach, by length."""
    return _by_architecture("Gradient reach: steps that halve it", "length", "gradient_half_life")


def learning() -> list[Any]:
    """What happens during training, and what was remembered after it."""
    curves = {
        "validation_score": "Validation score",
        "gradient_norm": "Gradient norm before clipping",
        "clip_fraction": "Share of clipped steps",
        "probe/lag_accuracy": "Accuracy by lag",
    }
    axes = {"probe/lag_accuracy": "probe/lag_accuracy/x"}
    return [
        _by_architecture(title, axes.get(name, "examples"), name) for name, title in curves.items()
    ]


def _by_architecture(title: str, x: str, y: str, range_y: tuple[Any, Any] = (None, None)) -> Any:
    """A line for each architecture, with the range of its runs."""
    return wr.LinePlot(
        title=title,
        x=x,
        y=[y],
        range_y=range_y,
        groupby=wr.Config("architecture"),
        groupby_aggfunc="mean",
        groupby_rangefunc="minmax",
        max_runs_to_show=100,
    )


def horizons() -> Any:
    """How far back each architecture remembers."""
    return wr.BarPlot(
        title="Memory horizon, mean over tasks",
        metrics=["horizon"],
        groupby=wr.Config("architecture"),
        groupby_aggfunc="mean",
        groupby_rangefunc="minmax",
    )


def price() -> Any:
    """Speed against score."""
    return wr.ScatterPlot(
        title="Throughput against score, at the longest length",
        x=wr.SummaryMetric("train_tokens_per_second"),
        y=wr.SummaryMetric("score"),
        log_x=True,
    )
