"""`lagbench claims`: the sentences of the lectures, put to the test."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from bench import registry
from bench.cli.app import AsJson, app, print_json, print_rows, say
from bench.cli.run import WandbMode

if TYPE_CHECKING:
    from bench.claims.claim import Ruling
    from bench.run.suite import Suite


@app.command()
def claims(
    out: Annotated[Path, typer.Argument(help="Folder of results.")] = Path("results/claims"),
    claim: Annotated[
        list[int], typer.Option(help="Only what this one needs, by number; may be given again.")
    ] = [],
    plan: Annotated[bool, typer.Option("--plan", help="Only say what would be run.")] = False,
    changes: Annotated[
        list[str], typer.Option("--set", help="Change a setting of all: recipe.steps=500.")
    ] = [],
    seeds: Annotated[int | None, typer.Option(min=1, help="How many seeds.")] = None,
    workers: Annotated[
        int, typer.Option(min=0, help="Processes; 0: this one itself.")
    ] = os.cpu_count() or 1,
    wandb: Annotated[WandbMode, typer.Option(help="Where W&B runs go.")] = WandbMode.OFFLINE,
    as_json: AsJson = False,
) -> None:
    """Run the experiments behind the claims, or go on with them, and judge all claims.

    Example: lagbench claims results/claims --claim 9 --claim 10
    """
    from bench.claims import conduct
    from bench.live import LiveTable
    from bench.run import runner
    from bench.tracking import Tracking

    registry.discover()
    chosen = conduct.chosen(claim)
    suites = conduct.experiments(chosen, changes, seeds)
    if plan:
        print_rows(_plan(suites, out), as_json)
        return
    try:
        conduct.time_models(chosen, out)
        for suite in suites:
            folder = conduct.folder(out, suite)
            order = runner.Order(
                suite=suite,
                out=folder,
                workers=workers,
                tracking=Tracking(wandb.value, folder),
                command=("lagbench", *sys.argv[1:]),
            )
            with LiveTable(Console(stderr=as_json)) as table:
                runner.run(order, table)
            for warning in table.warnings:
                say(f"Warning: {warning}")
    except KeyboardInterrupt:
        say("Interrupted; what is done is kept. The same command goes on from here.")
        sys.exit(130)
    rulings = conduct.concluded(out)
    if as_json:
        print_json([_row(ruling) for ruling in rulings])
        return
    print_rows([_row(ruling) for ruling in rulings])
    typer.echo(f"In {out}: report.html, claims.md, claims.csv, claim_parts.csv")


def _plan(suites: list["Suite"], out: Path) -> list[dict[str, Any]]:
    """What each experiment would train, and how long it takes at most; the sum comes last."""
    from bench.claims import conduct
    from bench.run.plan import Outcome, expected
    from bench.run.store import Store
    from bench.run.suite import cells

    rows: list[dict[str, Any]] = []
    for suite in suites:
        known = list(expected(cells(suite), Store(conduct.folder(out, suite))))
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
    counted = [name for name in (rows[0] if rows else ()) if name != "experiment"]
    return [*rows, {"experiment": "all"} | {n: sum(row[n] for row in rows) for n in counted}]


def _row(ruling: "Ruling") -> dict[str, Any]:
    """A claim for people, and for programs."""
    from bench.claims.page import claim_row

    row = claim_row(ruling)
    shown = ("claim", "statement", "verdict", "effect", "low", "high", "threshold", "seeds")
    return {name: row[name] for name in shown}
