"""`lagbench probe`: measure stored models again, without training."""

from pathlib import Path
from typing import Annotated

import typer

from bench import registry
from bench.cli.app import AsJson, Plugins, app, say
from bench.cli.report import summarise


@app.command()
def probe(
    folder: Path,
    name: Annotated[
        list[str], typer.Option("--probe", help="This one alone; may be given again.")
    ] = [],
    deep: Annotated[
        bool, typer.Option("--deep", help="More examples, longer sequences, every lag.")
    ] = False,
    device: Annotated[str, typer.Option(help="cpu, or cuda:0 and the like.")] = "cpu",
    plugin: Plugins = [],
    as_json: AsJson = False,
) -> None:
    """Measure the models of a run again, whose weights were kept, and derive its report again.

    A run keeps weights with --set recipe.keep=best.

    Example: lagbench probe results/quick --probe influence --deep
    """
    from bench.run import probing

    registry.discover(plugin)
    for cell in probing.probe(folder, name, deep, device):
        place = f"{cell.task} {cell.length} {cell.architecture}"
        say(f"{place}: probed" if cell.reason is None else f"{place}: not probed: {cell.reason}")
    summarise(folder, as_json)
