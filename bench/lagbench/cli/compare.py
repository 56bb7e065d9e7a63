"""`lagbench compare`: what changed between two folders of results."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from lagbench.cli.app import AsJson, app, print_json, print_rows, warn


@app.command()
def compare(
    before: Path,
    after: Path,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print Markdown, for a pull request.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Compare two runs: scores in pairs that share a seed, speed, environment.

    Example: lagbench compare results/quick results/mine --markdown
    """
    from lagbench.report.changes import changes, sentence
    from lagbench.report.page import changes_markdown
    from lagbench.run.store import results

    sides = [results(folder, warn) for folder in (before, after)]
    if markdown:
        typer.echo(changes_markdown(*sides), nl=False)
        return
    changed = changes(*sides)
    if as_json:
        print_json(_finite(asdict(changed)))
        return
    typer.echo(sentence(changed))
    print_rows([_row(change) for change in changed.changes])
    for title, pairs in (("Only before", changed.gone), ("Only after", changed.new)):
        if pairs:
            typer.echo(f"{title}: {', '.join(' on '.join(pair) for pair in pairs)}.")
    if changed.other_data:
        typer.echo(f"Other examples, and so not compared: {', '.join(changed.other_data)}.")
    columns = ("what else differs", "before", "after")
    print_rows([dict(zip(columns, values, strict=True)) for values in changed.circumstances])


def _row(change: Any) -> dict[str, Any]:
    from lagbench.report.wording import bounds, detectable, number, times

    return {
        "task": change.task,
        "before": change.before,
        "after": change.after,
        "score": f"{number(change.score_before)} → {number(change.score_after)}",
        "difference": number(change.difference),
        "95%": bounds(change.low, change.high, 3) or None,
        "p": number(change.p),
        "detectable": detectable(change.detectable),
        "verdict": change.verdict,
        "speed": f"{times(change.speed_before)} → {times(change.speed_after)}",
    }


def _finite(value: Any) -> Any:
    """Plain data with None for NaN and infinity, which JSON lacks."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if value != value or value in (float("inf"), -float("inf")) else value
