"""A suite as W&B runs: itself, and each architecture on each task over all lengths.

The suite's run makes an artifact of the records, the tables and the report; its metadata name the
runs of the trials that it was made of (an offline run cannot be said to use an artifact).
"""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lagbench.record import Record, Run, Status
from lagbench.spec.cell import Cell
from lagbench.tracking.background import Background
from lagbench.tracking.cells import CellRuns
from lagbench.tracking.destination import Tracking
from lagbench.tracking.files import latest, run_id, wait_until_ended
from lagbench.tracking.opening import Guard, Identity, opened, staged_in
from lagbench.tracking.pairs import pairs
from lagbench.tracking.tables import Table, read

LOST = (Status.FAILED, Status.TIMEOUT, Status.OUT_OF_MEMORY)
OF_TRIALS = ("curves", "probes")  # tables whose rows stand in the trials' own runs


class SuiteRuns:
    """Whatever of a suite is tracked where it is run, and uploaded if it is to be online.

    trials: of the suite; it waits for a server that many seconds at most.
    """

    def __init__(self, tracking: Tracking, suite: str, trials: int) -> None:
        self.tracking, self.suite, self.folder = tracking, suite, tracking.folder
        self.guard = Guard()
        self.background = Background(trials) if tracking.mode == "online" else None

    def __enter__(self) -> "SuiteRuns":
        return self

    def __exit__(self, *exception: object) -> None:
        if self.background is not None:
            self.background.stop()

    @property
    def warnings(self) -> list[str]:
        """What did not work, and what to do about it."""
        found = [] if self.guard.warning is None else [self.guard.warning]
        if self.background is not None and (left := self.background.left):
            why = self.background.complaint or "there was no time left"
            found.append(
                f"{len(left)} of {len(self.background.offered)} W&B runs were not uploaded: {why}. "
                f"`lagbench sync {self.folder}` uploads them."
            )
        return found

    def ended(self, cell: Cell, records: list[Record]) -> None:
        """The cell's trials have ended, perhaps with the worker that tracked them."""
        if self.tracking.mode != "disabled":
            self.guard(lambda: self._ended(cell, records))

    def settle(self) -> None:
        """Let nothing go on beside what comes next."""
        if self.background is not None:
            self.background.settle()

    def finish(self, run: Run, paths: Sequence[Path]) -> None:
        """Track what the suite came to; paths: its tables and reports."""
        if self.tracking.mode != "disabled":
            self.guard(lambda: self._finish(run, paths))
            self.settle()

    def _ended(self, cell: Cell, records: list[Record]) -> None:
        runs = latest(self.folder)
        files = [runs[record.trial] for record in records if record.trial in runs]
        whole = len(files) == len(records) and wait_until_ended(files, seconds=0)
        if records[0].status in LOST and not whole:
            again = CellRuns(self.tracking, self.suite, cell)
            again.finish(records)
            files = again.files
        self._offer(files)

    def _finish(self, run: Run, paths: Sequence[Path]) -> None:
        tables = {path.stem: read(path) for path in paths if path.suffix == ".csv"}
        runs = [_suite_run(self.tracking, run, paths, tables)]
        for pair in pairs(tables["summary"], tables["horizons"], tables["trials"]):
            runs.append(opened(self.tracking, pair.identity(run.suite)))
            pair.log(runs[-1])
        files = [Path(one.settings.sync_file) for one in runs]
        for one in runs:
            one.finish()
        wait_until_ended(files, seconds=1)
        self._offer(files)

    def _offer(self, files: list[Path]) -> None:
        if self.background is not None:
            self.background.offer(files)


def _suite_run(
    tracking: Tracking, run: Run, paths: Sequence[Path], tables: dict[str, Table]
) -> Any:
    """The run of the suite itself, still open."""
    about = run.model_dump(mode="json", exclude={"format", "cells", "versions"})
    about |= {f"version_{name}": version for name, version in run.versions.items()}
    identity = Identity("suite", run.suite, "suite", run.suite, (run.suite,), about)
    opened_run = opened(tracking, identity)
    figures = sorted(tracking.folder.glob("figures/*.svg"))
    statuses = tables["trials"].column("status")
    trials = tables["trials"].column("trial")
    with staged_in(tracking.folder):
        opened_run.log(_shown(tables, [*figures, *paths]))
        opened_run.log_artifact(_results(tracking.folder, run, [*paths, *figures], trials))
    opened_run.summary.update({status: statuses.count(status) for status in set(statuses)})
    return opened_run


def _shown(tables: dict[str, Table], paths: Sequence[Path]) -> dict[str, Any]:
    """Tables, figures and the page, as W&B shows them."""
    import wandb

    shown: dict[str, Any] = {}
    for name, table in tables.items():
        if name not in OF_TRIALS:
            shown[f"tables/{name}"] = wandb.Table([*table.columns], [*table.rows])
    for path in paths:
        if path.suffix in (".svg", ".html"):
            name = f"figures/{path.stem}" if path.suffix == ".svg" else path.stem
            shown[name] = wandb.Html(path.read_text(encoding="utf-8"), inject=False)
    return shown


def _results(folder: Path, run: Run, paths: Sequence[Path], trials: Sequence[str]) -> Any:
    """The records of the trials in one file, and what was made of them, as an artifact."""
    import wandb

    runs = latest(folder)
    metadata = {
        "command": run.command,
        "commit": run.commit,
        "runs": [run_id(runs[trial]) for trial in trials if trial in runs],
    }
    name = re.sub(r"[^A-Za-z0-9_.-]", "-", run.suite)[:100]
    results = wandb.Artifact(name, "results", metadata=metadata)
    with results.new_file("records.jsonl", encoding="utf-8") as file:
        for trial in trials:
            text = (folder / "trials" / trial / "result.json").read_text(encoding="utf-8")
            file.write(json.dumps(json.loads(text)) + "\n")
    for path in [*paths, folder / "run.json"]:
        results.add_file(str(path), str(path.relative_to(folder)))
    return results
