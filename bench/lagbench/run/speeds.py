"""Measuring the throughput of what a run trained, where it is not yet known."""

from collections.abc import Callable, Mapping, Sequence

from lagbench.record import Record, Status
from lagbench.run.executor import computing_alone
from lagbench.run.failures import ending
from lagbench.run.store import Store
from lagbench.spec.cell import Cell


def unmeasured(found: Mapping[Cell, Sequence[Record]], store: Store) -> list[Cell]:
    """The cells of which something was trained, and whose speed is not known but beside others."""
    return [
        cell
        for cell, records in found.items()
        if any(record.status is Status.OK for record in records)
        and not _measured_alone(cell, store)
    ]


def _measured_alone(cell: Cell, store: Store) -> bool:
    known = store.read_throughput(cell)
    return known is not None and known.undisturbed is not False


def measure(
    cells: Sequence[Cell],
    store: Store,
    device: str,
    tell: Callable[[int, int], None],
    warn: Callable[[str], None],
) -> None:
    """Measure one cell's model at a time, in this process, and keep its speed.

    tell: told how many of how many are done. warn: told of a model that cannot be measured, which
    is tried again the next time.
    """
    import torch

    from lagbench.cost.throughput import throughput
    from lagbench.run.cell import job_of  # seconds: not where nothing is measured
    from lagbench.spec.pairing import Unsupported

    with computing_alone():
        for index, cell in enumerate(cells):
            tell(index, len(cells))
            names = cell.architecture.name, cell.task.name
            try:
                job = job_of(cell)
                assert not isinstance(job, Unsupported)
                found = throughput(job, names, torch.device(device))
            except (Exception, SystemExit) as error:
                warn(f"The speed of {' on '.join(names)} is not known: {ending(error)[1]}.")
            else:
                store.write_throughput(cell, found)
