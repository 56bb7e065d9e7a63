"""`lagbench probe`: measure stored models again, without training."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from lagbench import registry
from lagbench.cli.app import AsJson, Device, Plugins, app, print_json, print_rows, say

_NUMBERS = ["gradient_half_life", "influence_reach", "extrapolation_score"]


@app.command()
def probe(
    folder: Path,
    name: Annotated[
        list[str], typer.Option("--probe", help="Only this one; may be given again.")
    ] = [],
    deep: Annotated[
        bool, typer.Option("--deep", help="More examples, longer sequences, every lag.")
    ] = False,
    device: Device = "cpu",
    plugin: Plugins = [],
    as_json: AsJson = False,
) -> None:
    """Measure the models of a run again, whose weights were kept, and derive its report again.

    Prints a row for every scored trial. A run keeps weights with --set recipe.keep=best.

    Example: lagbench probe results/quick --probe influence --deep
    """
    from lagbench.run import probing

    registry.discover(plugin)
    for cell in probing.probe(folder, name, deep, device):
        pair = f"{cell.task} {cell.length} {cell.architecture}"
        say(f"{pair}: probed" if cell.reason is None else f"{pair}: not probed: {cell.reason}")
    rows = _findings(folder)
    if as_json:
        print_json(rows)
        return
    print_rows([{key: row[key] for key in row if key != "unsupported"} for row in rows])
    for sentence in dict.fromkeys(_unsupported_reasons(rows, name)):
        say(sentence)


def _findings(folder: Path) -> list[dict[str, Any]]:
    """The number of each probe for every scored trial, and why some measured nothing.

    Their curves are in `probes.csv`.
    """
    from lagbench.run.store import Store

    store = Store(folder)
    records, _ = store.reported(store.known_run())
    shown = ["architecture", "task", "length", "seed", "score", *_NUMBERS]
    scored = [record for record in records if record.selected and record.score is not None]
    scored.sort(key=lambda record: (record.task, record.length, record.architecture, record.seed))
    return [
        {name: getattr(record, name) for name in shown} | {"unsupported": record.unsupported_probes}
        for record in scored
    ]


def _unsupported_reasons(rows: list[dict[str, Any]], names: list[str]) -> Iterator[str]:
    """Why the probes that were asked for by name measured nothing, where they did not."""
    for row in rows:
        for name in set(names) & row["unsupported"].keys():
            pair = f"{row['task']} {row['length']} {row['architecture']}"
            yield f"{pair}: {name}: {row['unsupported'][name]}"
