"""`lagbench report`: every table and picture again, from the records; and the leaderboard."""

from pathlib import Path
from typing import Any

import typer

from lagbench.cli.app import AsJson, app, plain, print_json, print_rows, warn

TASKS = 5
"""Tasks in one table."""


@app.command()
def report(folder: Path, as_json: AsJson = False) -> None:
    """Derive every table and report of a folder from its records again.

    Example: lagbench report results/quick
    """
    from lagbench.run import runner

    runner.rewrite(folder, warn)
    summarise(folder, as_json)


def summarise(folder: Path, as_json: bool) -> None:
    """Print the summary table that a report has just written."""
    import pandas as pd

    from lagbench.report import columns

    summary = pd.read_csv(folder / "summary.csv")
    if as_json:
        print_json({"out": str(folder), "summary": plain(summary)})
        return
    print_rows(plain(summary[columns.terminal_names()]))


def show_results(folder: Path, as_json: bool) -> None:
    """Print who reaches how far in a folder of results, from its records."""
    from lagbench.report.leaderboard import leaderboard, row_to_dict
    from lagbench.report.verdict import verdict
    from lagbench.run.store import results

    saved = results(folder, warn)
    run, tables = saved.run, saved.tables
    board = leaderboard(tables)
    if as_json:
        rows = [row_to_dict(standing) for standing in board.rows]
        print_json({"suite": run.suite, "command": run.command, "leaderboard": rows})
        return
    said = verdict(tables)
    typer.echo(f"{run.suite}: {run.description}\n{' '.join([*said.overview, *said.terms])}")
    tasks = list(board.tasks)
    for first in range(0, len(tasks), TASKS):
        print_rows(_standings(board, tasks[first : first + TASKS]))
    if tasks:
        typer.echo(
            "By task: how far back it holds, and in brackets the score at the length in the "
            "heading. Speeds are relative to the reference model; memory: in a training step."
        )


def _standings(board: Any, tasks: list[str]) -> list[dict[str, Any]]:
    """Rows of the leaderboard, for these tasks only, without what was not measured."""
    from lagbench.report.wording import number, reach

    rows = []
    for standing in board.rows:
        row: dict[str, Any] = {"architecture": standing.architecture}
        if board.ranked:
            row["rank"] = number(standing.rank.rank, 2) if standing.rank else None
        for task in tasks:
            horizon, score = standing.horizons.get(task), standing.scores.get(task)
            words = [reach(horizon)] if horizon else []
            words += [f"({number(score.score, 2)})"] if score else []
            row[f"{task} ({board.tasks[task]})"] = " ".join(words) or None
        for column in board.columns:
            row[column.overall.label] = column.overall.text(standing.overall.get(column.name, ()))
        rows.append(row)
    return rows
