"""`lagbench sync`: W&B runs that lie on the disk, uploaded."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from lagbench.cli.app import AsJson, app, print_json, print_rows, warn
from lagbench.contract import UserError


@app.command()
def sync(
    folder: Annotated[Path, typer.Argument(help="Folder of results.")],
    patience: Annotated[
        float, typer.Option(min=1, help="Seconds without a further run before it gives up.")
    ] = 60,
    as_json: AsJson = False,
) -> None:
    """Upload the W&B runs of a folder that are not uploaded yet, and say what went where.

    Given again, it goes on with what is left. Exit status 1 if something is.
    Example: lagbench sync results/quick
    """
    from lagbench.tracking.sync import sync as upload

    if not (folder / "wandb").is_dir():
        raise UserError(f"There are no W&B runs in {folder}: it has no folder wandb.")
    result = upload(folder, patience)
    if as_json:
        fields = asdict(result)
        print_json({"places": fields.pop("addresses"), **fields})
    else:
        rows = [{"run": run, "is at": address} for run, address in result.addresses.items()]
        print_rows(rows)
        typer.echo(result.sentence)
    if result.left:
        warn(f"{len(result.left)} W&B runs are left: {result.complaint}.")
        raise typer.Exit(1)
