"""`lagbench check`: what of the contract holds."""

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
    """Say of an architecture or a task what of the contract holds; exit status 1 if not all does.

    Example: lagbench check my_layer.py
    """
    from lagbench.check import results, run_checks

    registry.discover(plugin)
    file = subject.endswith(".py")
    chosen = results.registered_by(Path(subject)) if file else [named_as(subject)]
    checked = [(named, run_checks(named)) for named in chosen]
    if as_json:
        print_json([results.plain(*one) for one in checked])
    else:
        typer.echo("\n\n".join(results.sentences(*one) for one in checked))
    if not all(result.holds for _, of_one in checked for result in of_one):
        raise typer.Exit(1)
