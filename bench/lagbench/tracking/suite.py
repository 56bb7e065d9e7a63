"""A suite as W&B runs: the suite itself, and each architecture on each task over all lengths.

The suite's run makes an artifact of the records, the tables and the report; its metadata name the
runs of the trials (an offline run cannot be said to use an artifact).
"""

import json
import re
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lagbench.record import Record, Run, Status
from lagbench.registry import slug
from lagbench.spec.cell import Cell
from lagbench.tracking.destination import Tracking
from lagbench.tracking.runs import BestEffort, CellRuns, RunIdentity, open_run, staged_in
from lagbench.tracking.sync import latest_files, run_id, sync, wait_until_ended

if TYPE_CHECKING:
    import pandas as pd

    from lagbench.report.tables import Tables

OF_TRIALS = ("curves", "probes")  # tables whose rows are in the trials' own runs
PATIENCE = 30.0  # seconds that an upload waits for a server that does not answer


class SuiteRuns:
    """The W&B runs of a suite. With `online`, all of its runs are uploaded when it is finished."""

    def __init__(self, tracking: Tracking, suite: str, patience: float = PATIENCE) -> None:
        self.tracking, self.suite, self.patience = tracking, suite, patience
        self.best_effort = BestEffort()
        self.upload_warning: str | None = None

    @property
    def warnings(self) -> list[str]:
        """What did not work, and what to do about it."""
        warnings = (self.best_effort.warning, self.upload_warning)
        return [warning for warning in warnings if warning is not None]

    def ended(self, cell: Cell, records: list[Record]) -> None:
        """Track the trials of a cell if its worker died before it had tracked them."""
        if self.tracking.mode == "disabled" or records[0].status not in Status.failures():
            return
        runs = latest_files(self.tracking.folder)
        files = [runs[record.trial] for record in records if record.trial in runs]
        if len(files) < len(records) or not wait_until_ended(files, seconds=0):
            CellRuns(self.tracking, self.suite, cell).finish(records)

    def finish(self, run: Run, tables: "Tables", paths: Sequence[Path]) -> None:
        """Track the results of the suite, whose tables and pages lie at `paths`."""
        if self.tracking.mode != "disabled":
            self.best_effort(lambda: self._finish(run, tables, paths))
            self.upload()

    def _finish(self, run: Run, tables: "Tables", paths: Sequence[Path]) -> None:
        runs = [_suite_run(self.tracking, run, tables, paths)]
        for (architecture, task), lengths in _cells(tables).groupby(["architecture", "task"]):
            identity = pair_identity(run.suite, str(architecture), str(task))
            runs.append(open_run(self.tracking, identity))
            _log_pair(runs[-1], str(task), lengths, tables.horizons)
        for opened in runs:
            opened.finish()
        wait_until_ended([Path(opened.settings.sync_file) for opened in runs], seconds=1)

    def upload(self) -> None:
        """Upload every finished run of the folder, if W&B is to be online."""
        folder = self.tracking.folder
        if self.tracking.mode != "online":
            return
        result = sync(folder, self.patience)
        if result.left:
            count = len(result.left) + len(result.addresses)
            self.upload_warning = (
                f"{len(result.left)} of {count} W&B runs were not uploaded: {result.complaint}. "
                f"`lagbench sync {folder}` uploads them."
            )


def score_name(task: str) -> str:
    """The name of the score on one task: a panel of a workspace can choose names, not runs."""
    return f"score/{task}"


def pair_identity(suite: str, architecture: str, task: str) -> RunIdentity:
    """The identity of the run of an architecture on a task, whose steps are lengths."""
    names = slug(architecture), slug(task)
    return RunIdentity(
        key="pair",
        name="-".join(names),
        job_type="pair",
        group=suite,
        tags=(suite, *names),
        config={"suite": suite, "architecture": architecture, "task": task},
    )


def _cells(tables: "Tables") -> "pd.DataFrame":
    """`summary`, with the aggregates of trials that W&B shows beside it, of scored pairs."""
    from lagbench.report.columns import tracked_columns

    key = ["architecture", "task", "length"]
    selected = tables.trials[tables.trials["selected"]].groupby(key)
    further = {
        column.name: selected[column.name].agg(column.tracked) for column in tracked_columns()
    }
    cells = tables.summary.set_index(key).assign(**further).reset_index()
    scored = cells.groupby(["architecture", "task"])["score"].transform("count") > 0
    return cells[scored].sort_values("length")


def _log_pair(run: Any, task: str, lengths: "pd.DataFrame", horizons: "pd.DataFrame") -> None:
    """Log every number of each length, and the horizon of the architecture on the task."""
    run.define_metric("length")
    run.define_metric("*", step_metric="length")
    for row in lengths.select_dtypes("number").to_dict("records"):
        numbers = _measured(row)
        by_task = {score_name(task): numbers["score"]} if "score" in numbers else {}
        run.log(numbers | by_task)
    architecture = lengths["architecture"].iloc[0]
    rows = horizons[(horizons["architecture"] == architecture) & (horizons["task"] == task)]
    for row in rows.to_dict("records"):
        names = {"horizon": "horizon"} | {n: f"horizon_{n}" for n in ("low", "high", "censored")}
        run.summary.update(_measured({names[name]: row[name] for name in names}))


def _measured(row: dict[Any, Any]) -> dict[str, Any]:
    """The values of a row that are not missing, as plain Python numbers and strings."""
    import pandas as pd

    values = {name: value for name, value in row.items() if not pd.isna(value)}
    return {
        name: value.item() if hasattr(value, "item") else value for name, value in values.items()
    }


def _suite_run(tracking: Tracking, run: Run, tables: "Tables", paths: Sequence[Path]) -> Any:
    """Open the run of the suite itself, and log its tables, figures, page and artifact."""
    config = run.model_dump(mode="json", exclude={"format", "cells", "versions"})
    config |= {f"version_{name}": version for name, version in run.versions.items()}
    opened = open_run(
        tracking, RunIdentity("suite", run.suite, "suite", run.suite, (run.suite,), config)
    )
    figures = sorted(tracking.folder.glob("figures/*.svg"))
    with staged_in(tracking.folder):
        opened.log(_media(tables, [*figures, *paths]))
        trials = tables.trials["trial"].tolist()
        opened.log_artifact(_artifact(tracking.folder, run, [*paths, *figures], trials))
    opened.summary.update(tables.trials["status"].value_counts().to_dict())
    return opened


def _media(tables: "Tables", paths: Sequence[Path]) -> dict[str, Any]:
    """Tables, figures and the page, as W&B shows them."""
    import wandb

    media: dict[str, Any] = {}
    for field in fields(tables):
        if field.name not in OF_TRIALS:
            frame = getattr(tables, field.name)
            plain = frame.astype(object).where(frame.notna(), None)
            media[f"tables/{field.name}"] = wandb.Table([*frame.columns], plain.to_numpy().tolist())
    for path in paths:
        if path.suffix in (".svg", ".html"):
            name = f"figures/{path.stem}" if path.suffix == ".svg" else path.stem
            media[name] = wandb.Html(path.read_text(encoding="utf-8"), inject=False)
    return media


def _artifact(folder: Path, run: Run, paths: Sequence[Path], trials: Sequence[str]) -> Any:
    """The records of the trials in one file, and all that was derived from them."""
    import wandb

    runs = latest_files(folder)
    metadata = {
        "command": run.command,
        "commit": run.commit,
        "runs": [run_id(runs[trial]) for trial in trials if trial in runs],
    }
    name = re.sub(r"[^A-Za-z0-9_.-]", "-", run.suite)[:100]
    artifact = wandb.Artifact(name, "results", metadata=metadata)
    with artifact.new_file("records.jsonl", encoding="utf-8") as file:
        for trial in trials:
            text = (folder / "trials" / trial / "result.json").read_text(encoding="utf-8")
            file.write(json.dumps(json.loads(text)) + "\n")
    for path in [*paths, folder / "run.json"]:
        artifact.add_file(str(path), str(path.relative_to(folder)))
    return artifact
