"""Going on with a finished run of 1,000 trials, which has nothing to train."""

import re
import resource
import time
from pathlib import Path

from lagbench.run.store import Store
from lagbench.spec.suite import cells, load
from tests.faults.command import Command
from tests.faults.inputs import run_once

SUITE = f"""
architectures = ["gru", "rnn", "lstm", "dense", "bag_of_words"]
seeds = 5
learning_rates = [1e-3, 1e-2]
tasks = [{{ name = "recall", lengths = {list(range(4, 24))} }}]
"""


def finish(folder: Path) -> None:
    """Make a run of 100 cells of 10 trials each, all of them copies of one real trial's result."""
    real = Store(run_once(folder / "real"))
    report = real.read_run()
    assert report is not None
    records, speeds = real.reported(report)
    suite = folder / "thousand.toml"
    suite.write_text(SUITE, encoding="utf-8")
    store = Store(folder / "out")
    for cell in cells(load(str(suite))):
        at = {"architecture": cell.architecture.name, "length": cell.length}
        for seed, rate in cell.pairs:
            own = {"trial": cell.trial_key(seed, rate), "seed": seed, "learning_rate": rate}
            store.write([records[0].model_copy(update=at | own | {"cell": cell.key})])
        store.write_throughput(cell, speeds[0].model_copy(update=at | {"other_cores": 0}))
    resumed(folder)  # it has to be reported once


def resumed(folder: Path) -> tuple[str, float, float]:
    """What it says there is to do, and the seconds that it takes: by the clock, of a processor."""
    started, before = time.perf_counter(), _processor()
    command = Command(
        "run", folder / "thousand.toml", "--out", folder / "out", "--wandb", "disabled",
        folder=folder,
    )  # fmt: skip
    status, printed, errors = command.end()
    assert status == 0, errors
    (told,) = re.findall(r"\d+ cells to train, \d+ there already", printed + errors)
    return told, time.perf_counter() - started, _processor() - before


def _processor() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
