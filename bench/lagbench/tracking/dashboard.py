"""A W&B workspace and a W&B report of a suite: who reaches how far back, and at what price.

Both are drawn by W&B from the runs of the pairs (see `pairs`) and of the trials.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lagbench.contract import UserError
from lagbench.tracking.destination import Tracking

COLUMNS = ("architecture", "task", "length", "seed", "learning_rate")  # of the table of runs
REACHED = ("status", "reason", "score", "validation_score", "steps_to_solve", "gradient_half_life")


@dataclass(frozen=True)
class Dashboard:
    """Where what was saved can be looked at."""

    workspace: str
    report: str


def save(tracking: Tracking, suite: str, tasks: Sequence[str]) -> Dashboard:
    """Save a workspace and a report about the runs of a suite in a project.

    Raises `UserError` where the library for it is missing, or W&B does not take it.
    """
    try:
        import wandb
        from wandb_workspaces.reports.v2 import Report
        from wandb_workspaces.workspaces import Workspace
    except ImportError as error:
        raise UserError(
            "Dashboards need wandb-workspaces: pip install 'lagbench[dashboard]'."
        ) from error
    try:
        entity = tracking.entity or str(wandb.Api(timeout=30).default_entity)
        workspace: Workspace = _workspace(entity, tracking.project, suite, tasks)
        report: Report = _report(entity, tracking.project, suite, tasks)
        return Dashboard(workspace.save().url, report.save().url)
    except Exception as error:  # of W&B's client, the library's and the network's, all their own
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"W&B did not take the dashboard: {reason.rstrip('.')}.") from error


def _workspace(entity: str, project: str, suite: str, tasks: Sequence[str]) -> Any:
    from wandb_workspaces import expr
    from wandb_workspaces import workspaces as ws

    from lagbench.tracking import panels

    columns = [f"config:{name}.value" for name in COLUMNS] + [f"summary:{name}" for name in REACHED]
    return ws.Workspace(
        entity=entity,
        project=project,
        name=f"LagBench: {suite}",
        sections=[
            ws.Section(name="Score against length", panels=panels.scores(tasks), is_open=True),
            ws.Section(
                name="How far back", panels=[panels.horizons(), panels.gradients()], is_open=True
            ),
            ws.Section(name="At what price", panels=[panels.price()], is_open=True),
            ws.Section(name="Learning", panels=panels.learning(), is_open=False),
        ],
        runset_settings=ws.RunsetSettings(
            filters=[expr.Metric("Group") == suite],
            order=[expr.Ordering(expr.Summary("score"), ascending=False)],
            pinned_columns=columns,
        ),
    )


def _report(entity: str, project: str, suite: str, tasks: Sequence[str]) -> Any:
    from wandb_workspaces import expr
    from wandb_workspaces.reports import v2 as wr

    from lagbench.tracking import panels

    def runs(name: str, *filters: Any) -> Any:
        of_suite = [expr.Metric("Group") == suite, *filters]
        return wr.Runset(entity=entity, project=project, name=name, filters=of_suite)

    pairs, trials = expr.Metric("JobType") == "pair", expr.Metric("JobType") == "trial"
    all_pairs = runs("Every architecture on every task", pairs)
    by_task = []
    for task in tasks:
        of_task = runs(task, pairs, expr.Config("task") == task)
        by_task += [wr.H2(task), wr.PanelGrid([of_task], panels=panels.scores([task]))]
    return wr.Report(
        entity=entity,
        project=project,
        title=f"LagBench: {suite}",
        description="Which sequence architecture reaches how far back, and at what price?",
        blocks=[
            wr.P("A score of 0 is guessing and 1 is solved, on every task."),
            wr.H1("How far back"),
            wr.PanelGrid([all_pairs], panels=[panels.horizons(), panels.gradients()]),
            wr.H1("Score against length"),
            *by_task,
            wr.H1("At what price"),
            wr.PanelGrid([all_pairs], panels=[panels.price()]),
            wr.H1("Every trial"),
            wr.PanelGrid([runs("Every trial", trials)], panels=panels.learning()),
        ],
    )
