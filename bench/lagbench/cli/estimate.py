"""What `lagbench run SUITE --plan` prints: every cell before it is run, and the total."""

import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import typer

from lagbench.cli.app import print_json, print_rows, warn

if TYPE_CHECKING:
    from lagbench.run.config import RunConfig
    from lagbench.run.estimate import CellEstimate


def print_plan(config: "RunConfig", as_json: bool) -> None:
    """Print what the run would do and at most take; trains nothing and writes nothing."""
    import torch

    from lagbench.run.estimate import describe_estimate, estimate_cells, summarise_estimates
    from lagbench.run.store import ReadOnlyStore
    from lagbench.spec.suite import cells

    todo, workers = cells(config.suite), config.executor.workers or 1
    with redirect_stdout(sys.stderr):  # whatever a plugin prints
        estimates = list(
            estimate_cells(todo, ReadOnlyStore(config.out, warn), torch.device(config.device))
        )
    total = summarise_estimates(estimates)
    if as_json:
        summed = asdict(total) | {"workers": workers, "seconds": total.seconds(workers)}
        print_json(
            {
                "suite": config.suite.name,
                **summed,
                "plan": [asdict(estimate) for estimate in estimates],
            }
        )
        return
    _print_cells(estimates)
    typer.echo(f"{config.suite.name}: {describe_estimate(total, workers)}.")


def _print_cells(estimates: Sequence["CellEstimate"]) -> None:
    """What trains, and then what does not, with its reason."""
    shown = ["task", "length", "architecture", "trials", "width", "parameters", "steps", "tokens"]
    trains = [estimate for estimate in estimates if estimate.seconds is not None]
    print_rows([_row(cell, shown) | {"seconds at most": cell.seconds} for cell in trains])
    others = ["task", "length", "architecture", "outcome", "reason"]
    print_rows([_row(cell, others) for cell in estimates if cell.seconds is None])


def _row(cell: "CellEstimate", columns: Sequence[str]) -> dict[str, Any]:
    return {column: getattr(cell, column) for column in columns}
