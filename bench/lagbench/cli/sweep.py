"""`lagbench sweep` and `lagbench agent`: for those who drive sweeps from W&B."""

import shlex
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from lagbench import registry
from lagbench.cli.app import (
    Changes,
    Device,
    Entity,
    Plugins,
    Project,
    SuiteName,
    app,
    options,
    warn,
)


class Method(StrEnum):
    """How W&B chooses what to try next."""

    GRID = "grid"
    RANDOM = "random"
    BAYES = "bayes"


@app.command()
def sweep(
    suite: SuiteName = "quick",
    out: Annotated[Path | None, typer.Option(help="The file; SUITE-sweep.yaml.")] = None,
    method: Annotated[Method, typer.Option(help="How W&B chooses.")] = Method.GRID,
    changes: Changes = [],
    project: Project = None,
    entity: Entity = None,
    plugin: Plugins = [],
) -> None:
    """Write a W&B sweep over a suite; `wandb sweep FILE`, then `wandb agent` on any machines.

    Example: lagbench sweep quick --method bayes
    """
    from lagbench.spec.suite import cells, load
    from lagbench.tracking.destination import CliWandbOptions, destination
    from lagbench.tracking.sweep import sweep_file

    registry.discover(plugin)
    chosen = load(suite, changes)
    where = destination(CliWandbOptions(None, project, entity), chosen.wandb)
    same = [*options("--set", changes), *options("--plugin", plugin)]
    command = ["lagbench", "agent", suite, *same]
    path = out or Path(f"{chosen.name}-sweep.yaml")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        sweep_file(where, chosen.name, cells(chosen), method.value, command), encoding="utf-8"
    )
    typer.echo(f"wandb sweep {shlex.quote(str(path))}")


@app.command()
def agent(
    suite: SuiteName = "quick",
    out: Annotated[Path | None, typer.Option(help="Folder; results/SUITE-sweep.")] = None,
    changes: Changes = [],
    device: Device = "cpu",
    plugin: Plugins = [],
) -> None:
    """Train what W&B's agent asks for; the sweep that `lagbench sweep` writes starts this.

    Example: lagbench agent quick
    """
    from lagbench.device import validate_device
    from lagbench.run.agent import agent as train
    from lagbench.run.config import RunConfig
    from lagbench.run.executors.local import Inline
    from lagbench.spec.suite import load
    from lagbench.tracking import Tracking

    registry.discover(plugin)
    chosen = load(suite, changes)
    config = RunConfig(
        suite=chosen,
        out=out or Path("results") / f"{chosen.name}-sweep",
        executor=Inline(),
        tracking=Tracking("disabled"),
        plugins=tuple(plugin),
        device=validate_device(device),
        command=("lagbench", *sys.argv[1:]),
    )
    folder, warning = train(config)
    typer.echo(f"In {folder}.")
    if warning is not None:
        warn(warning)
