"""What a folder of results holds, for whoever prints or compares it."""

from collections.abc import Callable
from pathlib import Path

from lagbench.report.tables import Results, derive
from lagbench.run.store import Store


def results(out: Path, warn: Callable[[str], None] = lambda _: None) -> Results:
    """The run of a folder, its records and their tables; nothing is written."""
    store = Store(out, warn)
    run = store.known_run()
    records, throughputs = store.reported(run)
    return Results(run, tuple(records), derive(records, throughputs))
