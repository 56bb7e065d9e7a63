"""`lagbench dashboard`: what W&B draws of a suite."""

from typing import Annotated

import typer

from bench.cli.app import AsJson, app, print_json, print_rows


@app.command()
def dashboard(
    suite: Annotated[str, typer.Argument(help="A suite's name, or a TOML file.")] = "quick",
    project: Annotated[
        str | None, typer.Option(help="$WANDB_PROJECT, what the suite says, or lagbench.")
    ] = None,
    entity: Annotated[
        str | None, typer.Option(help="$WANDB_ENTITY, what the suite says, or yourself.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Save a W&B workspace and a W&B report of a suite's runs; needs the extra `dashboard`.

    Example: lagbench dashboard quick --project my-project
    """
    from bench.run.suite import load
    from bench.tracking.dashboard import save
    from bench.tracking.destination import Wish, destination

    chosen = load(suite)
    where = destination(Wish("online", project, entity), chosen.wandb)
    saved = save(where, chosen.name, [axis.name for axis in chosen.tasks])
    found = {"workspace": saved.workspace, "report": saved.report}
    if as_json:
        print_json(found)
    else:
        print_rows([{"saved": what, "is at": place} for what, place in found.items()])
