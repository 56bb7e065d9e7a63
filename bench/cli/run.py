"""`lagbench run`: train, measure, report."""

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bench import registry
from bench.cli.app import AsJson, Plugins, app, say
from bench.cli.report import summarise


class WandbMode(StrEnum):
    """Where W&B runs go."""

    OFFLINE = "offline"
    ONLINE = "online"
    DISABLED = "disabled"


@app.command()
def run(
    suite: Annotated[str, typer.Argument(help="A suite's name, or a TOML file.")] = "quick",
    out: Annotated[Path | None, typer.Option(help="Folder of results; results/SUITE.")] = None,
    changes: Annotated[
        list[str], typer.Option("--set", help="Change a setting: recipe.steps=500.")
    ] = [],
    architecture: Annotated[
        list[str], typer.Option(help="These instead: lstm:layers=2; may be given again.")
    ] = [],
    task: Annotated[
        list[str], typer.Option(help="These instead: recall:cue=first; may be given again.")
    ] = [],
    length: Annotated[list[int], typer.Option(help="These instead; may be given again.")] = [],
    seeds: Annotated[int | None, typer.Option(min=1, help="How many seeds.")] = None,
    workers: Annotated[
        int, typer.Option(min=0, help="Processes; 0: this one itself.")
    ] = os.cpu_count() or 1,
    device: Annotated[str, typer.Option(help="cpu, or cuda:0 and the like.")] = "cpu",
    wandb: Annotated[
        WandbMode | None, typer.Option(help="Where W&B runs go; $WANDB_MODE, or offline.")
    ] = None,
    project: Annotated[
        str | None, typer.Option(help="$WANDB_PROJECT, what the suite says, or lagbench.")
    ] = None,
    entity: Annotated[
        str | None, typer.Option(help="$WANDB_ENTITY, what the suite says, or yourself.")
    ] = None,
    plugin: Plugins = [],
    as_json: AsJson = False,
) -> None:
    """Run a suite, or go on with it: train what is missing, measure it, report it.

    Example: lagbench run quick --architecture gru --architecture lstm:layers=2 --length 64
    """
    from bench.live import LiveTable
    from bench.report.wording import duration
    from bench.run import runner
    from bench.run.suite import Selection, load, selected
    from bench.tracking.destination import Wish, destination

    registry.discover(plugin)
    selection = Selection(tuple(architecture), tuple(task), tuple(length), seeds)
    chosen = selected(load(suite, changes), selection)
    folder = out or Path("results") / chosen.name
    order = runner.Order(
        suite=chosen,
        out=folder,
        workers=workers,
        tracking=destination(Wish(wandb, project, entity), chosen.wandb, folder),
        plugins=tuple(plugin),
        device=device,
        command=("lagbench", *sys.argv[1:]),
    )
    console = Console(stderr=as_json)
    table = LiveTable(console)
    try:
        with table:
            report = runner.run(order, table)
    except KeyboardInterrupt:
        say("Interrupted; what is done is kept. The same command goes on from here.")
        sys.exit(130)
    for warning in table.warnings:
        say(f"Warning: {warning}")
    summarise(folder, as_json)
    if not as_json:
        where = "report.html, report.md, trials.csv, summary.csv, curves.csv, probes.csv, wandb/"
        typer.echo(f"{report.suite}: {duration(report.seconds)} in all. In {folder}: {where}")
