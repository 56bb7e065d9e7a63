"""`nox -s speed`: our own speed as ratios, measured side by side in one run on one core."""

import os
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import Annotated

import pandas as pd
import torch
import typer
from rich.console import Console

from lagbench import registry
from lagbench.cli.display import rows
from lagbench.device import device_name
from lagbench.run.executor import configure_single_thread
from lagbench.run.executors.forkserver import WORKER_ENVIRONMENT
from lagbench.run.machine import commit
from tests.benchmarks import (
    decoding,
    engine,
    kernels,
    layers,
    mqar,
    replicas,
    sampling,
    scans,
    workers,
)
from tests.benchmarks.comparison import Ratio, compare
from tests.benchmarks.operations import peak

GROUPS = (engine, replicas, kernels, layers, scans, workers, sampling, decoding, mqar)


def main(
    out: Annotated[Path, typer.Option(help="Folder of the table.")] = Path("results/speed"),
    rounds: Annotated[int, typer.Option(min=3, help="Counted rounds of every case.")] = 7,
    only: Annotated[str, typer.Option(help="Only cases whose name contains this.")] = "",
) -> None:
    """Compare, print the table, and write OUT/speed.csv.

    Example: nox -s speed -- --only lstm
    """
    configure_single_thread()
    registry.discover()
    fastest = peak()
    typer.echo(f"one large matrix product: {fastest / 1e9:.1f} GFLOP/s")
    measured: list[Ratio] = []
    for case in chain.from_iterable(group.comparisons() for group in GROUPS):
        if only not in case.name:
            continue
        measured.append(compare(case, rounds, fastest))
        typer.echo(f"{case.name}: {measured[-1].ratio:.3f}")
        table = _written(out, measured, fastest)
    if measured:
        Console(width=200).print(rows(table.columns, table.itertuples(index=False, name=None)))


def _written(out: Path, measured: list[Ratio], fastest: float) -> pd.DataFrame:
    """What is measured so far, as a table that is kept even if the rest is interrupted."""
    table = pd.DataFrame([asdict(ratio) for ratio in measured])
    out.mkdir(parents=True, exist_ok=True)
    table.to_csv(out / "speed.csv", index=False)
    machine = f"{device_name('cpu')}, torch {torch.__version__}, commit {commit()}"
    product = f"one large matrix product: {fastest / 1e9:.1f} GFLOP/s"
    (out / "machine.txt").write_text(f"{machine}\n{product}\n", encoding="utf-8")
    return table


if __name__ == "__main__":
    if any(os.environ.get(name) != value for name, value in WORKER_ENVIRONMENT.items()):
        import sys

        os.environ.update(WORKER_ENVIRONMENT)  # glibc reads it when a process starts
        os.execv(sys.executable, [sys.executable, "-m", "tests.benchmarks", *sys.argv[1:]])
    typer.run(main)
