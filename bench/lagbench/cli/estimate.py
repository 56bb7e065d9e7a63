"""What `lagbench run SUITE --plan` prints: every cell before it is run, and what all comes to."""

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


def print_plan(order: "RunConfig", as_json: bool) -> None:
    """Print what the run would do and at most take; trains nothing and writes nothing."""
    import torch

    from lagbench.run.estimate import describe_estimate, estimate_cells, summarise_estimates
    from lagbench.run.store import ReadOnlyStore
    from lagbench.spec.suite import cells

    todo, workers = cells(order.suite), order.executor.workers or 1
    with redirect_stdout(sys.stderr):  # whatever a plugin prints
        found = list(
            estimate_cells(todo, ReadOnlyStore(order.out, warn), torch.device(order.device))
        )
    whole = summarise_estimates(found)
    if as_json:
        summed = asdict(whole) | {"workers": workers, "seconds": whole.seconds(workers)}
        print_json({"suite": order.suite.name, **summed, "plan": [asdict(one) for one in found]})
        return
    _print_cells(found)
    typer.echo(f"{order.suite.name}: {describe_estimate(whole, workers)}.")


def _print_cells(found: Sequence["CellEstimate"]) -> None:
    """What trains, and then what does not, with its reason."""
    shown = ["task", "length", "architecture", "trials", "width", "parameters", "steps", "tokens"]
    print_rows([_row(one, shown) | {"seconds at most": one.seconds} for one in found
                if one.seconds is not None])  # fmt: skip
    others = ["task", "length", "architecture", "outcome", "reason"]
    print_rows([_row(one, others) for one in found if one.seconds is None])


def _row(one: "CellEstimate", columns: Sequence[str]) -> dict[str, Any]:
    return {column: getattr(one, column) for column in columns}
