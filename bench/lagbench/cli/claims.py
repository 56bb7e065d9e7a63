"""`lagbench claims`: the sentences of the lectures, put to the test."""

import sys
from contextlib import nullcontext, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from lagbench import registry
from lagbench.cli.app import AsJson, app, print_json, print_rows, warn
from lagbench.cli.run import CORES, Executed, ExecutorKind, WandbMode, Workers, executor_of
from lagbench.cli.signals import kept_when_interrupted
from lagbench.contract import UserError

if TYPE_CHECKING:
    from lagbench.claims.claim import Ruling
    from lagbench.run.executor import Executor
    from lagbench.spec.suite import Suite

SHOWN = ("claim", "statement", "verdict", "effect", "low", "high", "threshold", "seeds")


@app.command()
def claims(
    out: Annotated[Path, typer.Option(help="Folder of results.")] = Path("results/claims"),
    suite: Annotated[
        Path | None, typer.Option(help="Judge what lies in this folder, and run nothing.")
    ] = None,
    claim: Annotated[
        list[int], typer.Option(help="Only this one, by number; may be given again.")
    ] = [],
    plan: Annotated[bool, typer.Option("--plan", help="Only say what would be run.")] = False,
    changes: Annotated[
        list[str], typer.Option("--set", help="Change a setting of all: recipe.steps=500.")
    ] = [],
    seeds: Annotated[int | None, typer.Option(min=1, help="How many seeds.")] = None,
    executor: Executed = ExecutorKind.LOCAL,
    workers: Workers = CORES,
    wandb: Annotated[WandbMode, typer.Option(help="Where W&B runs go.")] = WandbMode.OFFLINE,
    as_json: AsJson = False,
) -> None:
    """Run the experiments behind the claims, or go on with them, and judge all claims.

    Example: lagbench claims --claim 9 --claim 10 --out results/attention
    """
    from lagbench.claims import conduct

    wanted = conduct.chosen(claim)
    registry.discover()
    if suite is not None:
        if plan or changes or seeds is not None:
            raise UserError("--suite runs nothing: --plan, --set and --seeds do not go with it.")
        out = conduct.conducted(suite)
    else:
        suites = conduct.experiments(wanted, changes, seeds)
        if plan:
            print_rows(_plan(suites, out), as_json)
            return
        with kept_when_interrupted(), redirect_stdout(sys.stderr) if as_json else nullcontext():
            conduct.time_models(wanted, out)
            for experiment in suites:
                _run(
                    experiment,
                    conduct.folder(out, experiment),
                    executor_of(executor, workers),
                    wandb,
                )
    rulings = conduct.concluded(out, warn)
    _print_rulings([ruling for ruling in rulings if ruling.claim in wanted], out, as_json)


def _run(suite: "Suite", folder: Path, executor: "Executor", wandb: WandbMode) -> None:
    """Run one experiment, or go on with it."""
    from lagbench.cli.live import LiveTable
    from lagbench.run import runner
    from lagbench.run.config import RunConfig
    from lagbench.tracking import Tracking

    config = RunConfig(
        suite=suite,
        out=folder,
        executor=executor,
        tracking=Tracking(wandb.value, folder),
        command=("lagbench", *sys.argv[1:]),
    )
    typer.echo(f"{suite.name}: {suite.description}")
    table = LiveTable(Console())
    try:
        with table:
            runner.run(config, table)
    finally:
        for warning in table.warnings:
            warn(warning)


def _print_rulings(rulings: list["Ruling"], folder: Path, as_json: bool) -> None:
    from lagbench.claims.page import claim_row

    rows = [claim_row(ruling) for ruling in rulings]
    if as_json:
        print_json([{name: None if row[name] != row[name] else row[name] for name in row}
                    for row in rows])  # fmt: skip
        return
    print_rows([{name: row[name] for name in SHOWN} for row in rows])
    typer.echo(f"In {folder}: report.html, report.md, claims.csv, claim_parts.csv")


def _plan(suites: list["Suite"], out: Path) -> list[dict[str, Any]]:
    """What each experiment would train, and how long it takes at most; the sum comes last."""
    from lagbench.claims import conduct
    from lagbench.run.estimate import Outcome, estimate_cells
    from lagbench.run.store import Store
    from lagbench.spec.suite import cells

    rows: list[dict[str, Any]] = []
    for suite in suites:
        known = list(estimate_cells(cells(suite), Store(conduct.folder(out, suite))))
        trains = [cell for cell in known if cell.outcome is Outcome.TRAINS]
        rows.append(
            {
                "experiment": suite.name,
                "cells": len(known),
                "to train": len(trains),
                "trials to train": sum(cell.trials for cell in trains),
                "core seconds at most": round(sum(cell.seconds or 0 for cell in trains)),
            }
        )
    numeric = [name for name in (rows[0] if rows else ()) if name != "experiment"]
    return [*rows, {"experiment": "all"} | {n: sum(row[n] for row in rows) for n in numeric}]
