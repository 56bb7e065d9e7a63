"""`lagbench report`: every table and picture again, from the records."""

import json
from pathlib import Path
from typing import Any

from bench.cli.app import AsJson, app, print_json, print_rows, warn


@app.command()
def report(folder: Path, as_json: AsJson = False) -> None:
    """Derive every table and report of a folder from its records again.

    Example: lagbench report results/quick
    """
    from bench.run import runner

    runner.rewrite(folder, warn)
    summarise(folder, as_json)


def summarise(folder: Path, as_json: bool) -> None:
    """Print the summary table that a report has just written."""
    import pandas as pd

    summary = pd.read_csv(folder / "summary.csv")
    if as_json:
        print_json({"out": str(folder), "summary": _plain(summary)})
        return
    shown = ["architecture", "task", "length", "score", "score_low", "score_high", "accuracy",
             "chance", "seeds", "learning_rate", "parameters", "train_relative"]  # fmt: skip
    print_rows(_plain(summary[shown]))


def _plain(frame: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(frame.to_json(orient="records"))
    return found
