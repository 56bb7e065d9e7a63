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

from lagbench import registry
from lagbench.cli.app import (
    AsJson,
    Changes,
    Device,
    Entity,
    Lengths,
    Plugins,
    Project,
    RetryFailed,
    SuiteName,
    app,
    say,
    warn,
)
from lagbench.cli.estimate import print_plan
from lagbench.cli.report import summarise
from lagbench.cli.signals import Interrupted, interruptible
from lagbench.contract import UserError

if TYPE_CHECKING:
    from lagbench.cli.live import LiveTable
    from lagbench.run.config import Limits, RunConfig
    from lagbench.run.executor import Executor


class WandbMode(StrEnum):
    """Where W&B runs go."""

    OFFLINE = "offline"
    ONLINE = "online"
    DISABLED = "disabled"


class ExecutorKind(StrEnum):
    """Who does the work."""

    LOCAL = "local"
    INLINE = "inline"
    RAY = "ray"


CORES = os.cpu_count() or 1
Executed = Annotated[
    ExecutorKind, typer.Option(help="Worker processes here, this process itself, or a Ray cluster.")
]
Workers = Annotated[int, typer.Option(min=1, help="How many cells at once.")]


@app.command()
def run(
    suite: SuiteName = "quick",
    out: Annotated[Path | None, typer.Option(help="Folder of results; results/SUITE.")] = None,
    changes: Changes = [],
    architecture: Annotated[
        list[str], typer.Option(help="These instead: lstm:layers=2; may be given again.")
    ] = [],
    task: Annotated[
        list[str], typer.Option(help="These instead: recall:cue=first; may be given again.")
    ] = [],
    length: Lengths = [],
    seeds: Annotated[int | None, typer.Option(min=1, help="How many seeds.")] = None,
    executor: Executed = ExecutorKind.LOCAL,
    workers: Workers = CORES,
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
    plan: Annotated[
        bool, typer.Option("--plan", help="Only say what would be done, and at most how long.")
    ] = False,
    retry_failed: RetryFailed = False,
    device: Device = "cpu",
    wandb: Annotated[
        WandbMode | None, typer.Option(help="Where W&B runs go; $WANDB_MODE, or offline.")
    ] = None,
    project: Project = None,
    entity: Entity = None,
    plugin: Plugins = [],
    as_json: AsJson = False,
) -> None:
    """Run a suite, or go on with it: train what is missing, measure it, report it.

    Example: lagbench run quick --architecture gru --architecture lstm:layers=2 --length 64
    """
    from lagbench.device import validate_device
    from lagbench.run.config import RunConfig
    from lagbench.spec.suite import Selection, load, selected
    from lagbench.tracking.destination import CliWandbOptions, destination

    with redirect_stdout(sys.stderr) if as_json else nullcontext():
        registry.discover(plugin)
        selection = Selection(tuple(architecture), tuple(task), tuple(length), seeds)
        chosen = selected(load(suite, changes), selection)
        folder = out or Path("results") / chosen.name
        config = RunConfig(
            suite=chosen,
            out=folder,
            executor=executor_of(executor, workers, address, cell_gpus),
            tracking=destination(CliWandbOptions(wandb, project, entity), chosen.wandb, folder),
            plugins=tuple(plugin),
            device=validate_device(device),
            command=("lagbench", *sys.argv[1:]),
            limits=_limits(executor, cell_timeout, cell_memory),
            retry_failed=retry_failed,
        )
    if plan:
        print_plan(config, as_json)
    else:
        _execute(config, as_json)


def _execute(config: "RunConfig", as_json: bool) -> None:
    """Run it, show how it goes, and print what came out."""
    from lagbench.cli.live import LiveTable
    from lagbench.report.wording import duration
    from lagbench.run import runner

    with redirect_stdout(sys.stderr) if as_json else nullcontext():
        table = LiveTable(Console(stderr=as_json))
        try:
            with interruptible(), table:
                report = runner.run(config, table)
        except Interrupted as interruption:
            _say_how_to_continue(config.out, table)
            sys.exit(interruption.status)
        finally:
            for warning in table.warnings:
                warn(warning)
    summarise(config.out, as_json)
    if not as_json:
        where = "report.html, report.md, trials.csv, summary.csv, curves.csv, probes.csv"
        where += ", wandb/" if (config.out / "wandb").is_dir() else ""
        typer.echo(f"{report.suite}: {duration(report.seconds)} in all. In {config.out}: {where}")


def executor_of(
    where: ExecutorKind, workers: int, address: str = "auto", gpus: float = 1.0
) -> "Executor":
    """Who does the work; Ray is imported where it is asked for."""
    from lagbench.run.executors.local import Inline, Local

    match where:
        case ExecutorKind.LOCAL:
            return Local(workers)
        case ExecutorKind.INLINE:
            return Inline()
        case ExecutorKind.RAY:
            try:
                from lagbench.run.executors.ray import Cluster
            except ModuleNotFoundError as error:
                raise UserError("Ray is not installed: pip install 'lagbench[ray]'.") from error
            return Cluster(address, gpus)


def _limits(where: ExecutorKind, seconds: float | None, gibibytes: float | None) -> "Limits":
    from lagbench.run.config import Limits

    for option, value in (("--cell-timeout", seconds), ("--cell-memory", gibibytes)):
        if value is not None and not 0 < value < math.inf:
            raise UserError(f"{option} must be more than 0, not {value:g}.")
        if value is not None and where is ExecutorKind.INLINE:
            raise UserError(
                f"{option} needs worker processes: there are none of --executor inline."
            )
    return Limits(seconds, None if gibibytes is None else int(gibibytes * 2**30))


def _say_how_to_continue(folder: Path, table: "LiveTable") -> None:
    say(
        f"Interrupted: {table.kept} of {len(table.states)} cells are kept in {folder}. The same "
        f"command goes on from there; `lagbench report {shlex.quote(str(folder))}` reports them."
    )
