"""`lagbench run`: train, measure, report."""

import math
import os
import shlex
import sys
from contextlib import nullcontext, redirect_stdout
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from bench import registry
from bench.cli.app import AsJson, Plugins, app, say, warn
from bench.cli.interruption import Interrupted, interruptible
from bench.cli.report import summarise
from bench.contract import InputError

if TYPE_CHECKING:
    from bench.live import LiveTable
    from bench.run.executor import Executor, Limits


class WandbMode(StrEnum):
    """Where W&B runs go."""

    OFFLINE = "offline"
    ONLINE = "online"
    DISABLED = "disabled"


class Where(StrEnum):
    """Who does the work."""

    LOCAL = "local"
    INLINE = "inline"
    RAY = "ray"


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
    executor: Annotated[
        Where, typer.Option(help="Worker processes here, this process itself, or a Ray cluster.")
    ] = Where.LOCAL,
    workers: Annotated[int, typer.Option(min=1, help="How many cells at once.")] = (
        os.cpu_count() or 1
    ),
    address: Annotated[
        str, typer.Option(help="The Ray cluster: that of this machine, or HOST:PORT.")
    ] = "auto",
    cell_gpus: Annotated[
        float, typer.Option(min=0, help="The share of a GPU that Ray gives to a cell.")
    ] = 1.0,
    cell_timeout: Annotated[
        float | None, typer.Option(help="Seconds after which a cell is given up.")
    ] = None,
    cell_memory: Annotated[float | None, typer.Option(help="GiB that a cell may take.")] = None,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Train cells again that failed before.")
    ] = False,
    device: Annotated[str, typer.Option(help="cpu, or cuda:0 and the like.")] = "cpu",
    wandb: Annotated[WandbMode, typer.Option(help="Where W&B runs go.")] = WandbMode.OFFLINE,
    project: Annotated[str, typer.Option(help="The W&B project.")] = "lagbench",
    entity: Annotated[str | None, typer.Option(help="The W&B entity.")] = None,
    plugin: Plugins = [],
    as_json: AsJson = False,
) -> None:
    """Run a suite, or go on with it: train what is missing, measure it, report it.

    Example: lagbench run quick --architecture gru --architecture lstm:layers=2 --length 64
    """
    from bench.live import LiveTable
    from bench.report.wording import duration
    from bench.run import runner
    from bench.run.machine import known_device
    from bench.run.suite import Selection, load, selected
    from bench.tracking import Tracking

    with redirect_stdout(sys.stderr) if as_json else nullcontext():
        registry.discover(plugin)
        selection = Selection(tuple(architecture), tuple(task), tuple(length), seeds)
        chosen = selected(load(suite, changes), selection)
        folder = out or Path("results") / chosen.name
        order = runner.Order(
            suite=chosen,
            out=folder,
            executor=_executor(executor, workers, address, cell_gpus),
            tracking=Tracking(wandb.value, folder, project, entity),
            plugins=tuple(plugin),
            device=known_device(device),
            command=("lagbench", *sys.argv[1:]),
            limits=_limits(cell_timeout, cell_memory),
            retry_failed=retry_failed,
        )
        table = LiveTable(Console(stderr=as_json))
        try:
            with interruptible(), table:
                report = runner.run(order, table)
        except Interrupted as interruption:
            _say_how_to_go_on(folder, table)
            sys.exit(interruption.status)
        finally:
            for warning in table.warnings:
                warn(warning)
    summarise(folder, as_json)
    if not as_json:
        where = "report.html, report.md, trials.csv, summary.csv, curves.csv, probes.csv"
        where += ", wandb/" if (folder / "wandb").is_dir() else ""
        typer.echo(f"{report.suite}: {duration(report.seconds)} in all. In {folder}: {where}")


def _executor(where: Where, workers: int, address: str, gpus: float) -> "Executor":
    """Who does the work; Ray is imported where it is asked for."""
    from bench.run.executors.inline import Inline
    from bench.run.executors.local import Local

    match where:
        case Where.LOCAL:
            return Local(workers)
        case Where.INLINE:
            return Inline()
        case Where.RAY:
            try:
                from bench.run.executors.ray import Cluster
            except ModuleNotFoundError as error:
                raise InputError("Ray is not installed: pip install 'lagbench[ray]'.") from error
            return Cluster(address, gpus)


def _limits(seconds: float | None, gibibytes: float | None) -> "Limits":
    from bench.run.executor import Limits

    for option, value in (("--cell-timeout", seconds), ("--cell-memory", gibibytes)):
        if value is not None and not 0 < value < math.inf:
            raise InputError(f"{option} must be more than 0, not {value:g}.")
    return Limits(seconds, None if gibibytes is None else int(gibibytes * 2**30))


def _say_how_to_go_on(folder: Path, table: "LiveTable") -> None:
    say(
        f"Interrupted: {table.kept} of {len(table.states)} cells are kept in {folder}. The same "
        f"command goes on from there; `lagbench report {shlex.quote(str(folder))}` reports them."
    )
