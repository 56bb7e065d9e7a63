"""What `lagbench run SUITE --plan` prints: every cell before it is run, and what all comes to."""

import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import typer

from lagbench.cli.app import print_json, print_rows, warn

if TYPE_CHECKING:
    from lagbench.run.estimate import Expected
    from lagbench.run.runner import RunConfig


def print_plan(order: "RunConfig", as_json: bool) -> None:
    """Print what the run would do and at most take; trains nothing and writes nothing."""
    import torch

    from lagbench.run.estimate import in_words, outlook
    from lagbench.run.plan import expected
    from lagbench.run.store import Glance
    from lagbench.spec.suite import cells

    todo, workers = cells(order.suite), max(1, order.executor.workers)
    with redirect_stdout(sys.stderr):  # whatever a plugin prints
        found = list(expected(todo, Glance(order.out, warn), torch.device(order.device)))
    whole = outlook(found)
    if as_json:
        summed = asdict(whole) | {"workers": workers, "seconds": whole.seconds(workers)}
        print_json({"suite": order.suite.name, **summed, "plan": [asdict(one) for one in found]})
        return
    _print_cells(found)
    typer.echo(f"{order.suite.name}: {in_words(whole, workers)}.")


def _print_cells(found: Sequence["Expected"]) -> None:
    """What trains, and then what does not, with its reason."""
    shown = ["task", "length", "architecture", "trials", "width", "parameters", "steps", "tokens"]
    print_rows([_row(one, shown) | {"seconds at most": one.seconds} for one in found
                if one.seconds is not None])  # fmt: skip
    others = ["task", "length", "architecture", "outcome", "reason"]
    print_rows([_row(one, others) for one in found if one.seconds is None])


def _row(one: "Expected", columns: Sequence[str]) -> dict[str, Any]:
    return {column: getattr(one, column) for column in columns}
