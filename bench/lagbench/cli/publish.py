"""`lagbench publish`: the published results again, with those of further runs."""

from pathlib import Path
from typing import Annotated

import typer

from lagbench.cli.app import app


@app.command()
def publish(
    runs: Annotated[
        list[Path] | None, typer.Argument(help="Folders of finished runs to add.")
    ] = None,
    results: Annotated[Path, typer.Option(help="The folder of published results.")] = Path(
        "results"
    ),
) -> None:
    """Derive all published tables, figures and pages from their records; add runs to them first.

    Example: lagbench publish results/quick
    """
    from lagbench.publish import folder

    for path in folder.publish(runs or [], results):
        typer.echo(f"{path}: derived from its records")
    typer.echo(f"{results / 'README.md'}: the leaderboard of all")
