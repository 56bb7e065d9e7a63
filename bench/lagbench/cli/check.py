"""`lagbench check`: which parts of the contract hold."""

from pathlib import Path
from typing import Annotated

import typer

from lagbench import registry
from lagbench.cli.app import AsJson, Plugins, app, print_json
from lagbench.cli.listing import named_as


@app.command()
def check(
    subject: Annotated[str, typer.Argument(help="A name, or a Python file that registers some.")],
    plugin: Plugins = [],
    as_json: AsJson = False,
) -> None:
    """Check an architecture or a task against the contract; exit status 1 if a check fails.

    Example: lagbench check my_layer.py
    """
    from lagbench.check import results, run_checks

    registry.discover(plugin)
    file = subject.endswith(".py")
    chosen = results.registered_by(Path(subject)) if file else [named_as(subject)]
    checked = [(named, run_checks(named)) for named in chosen]
    if as_json:
        print_json([results.plain(*item) for item in checked])
    else:
        typer.echo("\n\n".join(results.sentences(*item) for item in checked))
    if not all(result.holds for _, outcomes in checked for result in outcomes):
        raise typer.Exit(1)
