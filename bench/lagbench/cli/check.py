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
    from lagbench.check import findings, wording

    registry.discover(plugin)
    file = subject.endswith(".py")
    chosen = wording.registered_by(Path(subject)) if file else [named_as(subject)]
    found = [(named, findings(named)) for named in chosen]
    if as_json:
        print_json([wording.plain(*one) for one in found])
    else:
        typer.echo("\n\n".join(wording.sentences(*one) for one in found))
    if not all(finding.holds for _, of_one in found for finding in of_one):
        raise typer.Exit(1)
