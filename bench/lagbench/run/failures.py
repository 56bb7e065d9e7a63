"""Failed and unsupported cells: their status, a reason of one line, and their records."""

import re
from typing import Any

import torch

from lagbench.device import device_name
from lagbench.record import Record, Status
from lagbench.run.config import WorkerConfig
from lagbench.run.machine import commit
from lagbench.secrets import redacted
from lagbench.spec.cell import Cell

# PyTorch raises a plain RuntimeError when it cannot allocate on the CPU.
_OUT_OF_MEMORY = re.compile(r"can't allocate memory|not enough memory|bad_alloc|Unable to allocate")
_SIZE = re.compile(r"(?:allocate|asked for) ([\d.]+) ?(bytes|[KMGT]i?B)", re.IGNORECASE)
MAX_REASON = 500  # characters


def failed_records(cell: Cell, config: WorkerConfig, status: Status, reason: str) -> list[Record]:
    """Records for all trials of a cell that has no result, with the same status and reason."""
    common = {**cell_fields(cell, config), "status": status, "reason": reason}
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


def cell_fields(cell: Cell, config: WorkerConfig) -> dict[str, Any]:
    """The fields that the records of a cell's trials share, whatever their status."""
    task = cell.task.value
    return {
        "suite": config.suite,
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
        "device": device_name(config.device),
    }


def describe_failure(error: BaseException) -> tuple[Status, str]:
    """The status and the reason of trials that raised this error."""
    if is_out_of_memory(error):
        size = _SIZE.search(str(error))
        wanted = f"it asked for another {_readable(*size.groups())}" if size else "of no known size"
        return Status.OUT_OF_MEMORY, f"out of memory: {wanted}"
    reason = " ".join(redacted(f"{type(error).__name__}: {error}").split()).rstrip(": ")
    return Status.FAILED, reason if len(reason) <= MAX_REASON else f"{reason[:MAX_REASON]}…"


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the error means that the processor or an accelerator was out of memory."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and _OUT_OF_MEMORY.search(str(error)) is not None


def _readable(amount: str, unit: str) -> str:
    if unit.lower() != "bytes":
        return f"{amount} {unit}"
    count, units = float(amount), ["bytes", "KiB", "MiB", "GiB", "TiB"]
    while count >= 1024 and len(units) > 1:
        count, units = count / 1024, units[1:]
    return f"{count:.3g} {units[0]}"
