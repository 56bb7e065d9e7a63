"""How cells end that came to nothing: the status, a reason of one line, and the records."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from lagbench.device import device_name
from lagbench.record import Record, Status
from lagbench.run.machine import commit
from lagbench.secrets import redacted
from lagbench.spec.cell import Cell

# Torch raises a plain RuntimeError where the processor's memory does not suffice.
_NO_MEMORY = re.compile(r"can't allocate memory|not enough memory|bad_alloc|Unable to allocate")
_SIZE = re.compile(r"(?:allocate|asked for) ([\d.]+) ?(bytes|[KMGT]i?B)", re.IGNORECASE)
LONGEST = 500  # characters of a reason


@dataclass(frozen=True)
class CellContext:
    """What a cell needs to know of the run that it belongs to, and that decides no number."""

    suite: str
    cache: Path | None
    device: str = "cpu"
    chunk: int | None = None  # optimiser steps whose batches are held at once; None: the usual


def ended(cell: Cell, setting: CellContext, status: Status, reason: str) -> list[Record]:
    """The records of a cell whose trials all ended without a result, for the same reason."""
    common = {**identity(cell, setting), "status": status, "reason": reason}
    return [
        Record(
            **common,
            trial=cell.trial_key(seed, rate),
            seed=seed,
            learning_rate=rate,
            tuning=seed in cell.tuning_seeds,
        )
        for seed, rate in cell.pairs
    ]


def identity(cell: Cell, setting: CellContext) -> dict[str, Any]:
    """What the records of a cell's trials have in common, whatever came of them."""
    task = cell.task.value
    return {
        "suite": setting.suite,
        "cell": cell.key,
        "architecture": cell.architecture.name,
        "architecture_fields": cell.architecture.fields,
        "task": cell.task.name,
        "task_fields": cell.task.fields,
        "task_version": task.version,
        "length": cell.length,
        "recipe": cell.recipe.model_dump(mode="json"),
        "budget": cell.budget.stated,
        "alignment": task.signature(cell.length).alignment,
        "metric": task.metric.name,
        "chance": task.chance(cell.length),
        "optimum": task.optimum(cell.length),
        "commit": commit(),
        "torch": torch.__version__,
        "device": device_name(setting.device),
    }


def ending(error: BaseException) -> tuple[Status, str]:
    """The status and the reason of trials that ended with this error."""
    if is_out_of_memory(error):
        size = _SIZE.search(str(error))
        wanted = f"it asked for another {_readable(*size.groups())}" if size else "of no known size"
        return Status.OUT_OF_MEMORY, f"out of memory: {wanted}"
    reason = " ".join(redacted(f"{type(error).__name__}: {error}").split()).rstrip(": ")
    return Status.FAILED, reason if len(reason) <= LONGEST else f"{reason[:LONGEST]}…"


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a processor or an accelerator had too little memory."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and _NO_MEMORY.search(str(error)) is not None


def _readable(amount: str, unit: str) -> str:
    if unit.lower() != "bytes":
        return f"{amount} {unit}"
    count, units = float(amount), ["bytes", "KiB", "MiB", "GiB", "TiB"]
    while count >= 1024 and len(units) > 1:
        count, units = count / 1024, units[1:]
    return f"{count:.3g} {units[0]}"
