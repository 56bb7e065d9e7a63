"""One run of a W&B sweep: train what W&B chose like any cell, and report to W&B meanwhile."""

from dataclasses import replace
from pathlib import Path

from lagbench.run.config import RunConfig
from lagbench.run.executor import Event, Finished
from lagbench.run.runner import Watcher, run
from lagbench.spec.suite import Selection, Suite, selected
from lagbench.tracking.sweep import Choice, SweepRun

PATIENCE = 1.0  # seconds per trial to wait for the server at the end


class SweepReporter(Watcher):
    """Logs the evaluations and the result of a cell to a sweep's run."""

    def __init__(self, sweep_run: SweepRun) -> None:
        self.sweep_run = sweep_run

    def on_event(self, event: Event) -> None:
        self.sweep_run.log(event.points)

    def finished(self, done: Finished) -> None:
        self.sweep_run.finish(done.records)


def agent(config: RunConfig) -> tuple[Path, str | None]:
    """Train what the sweep's run chooses of the suite; its folder, and W&B's warning if any.

    The records are kept in a folder of the run's own, so that many agents may work at once.
    """
    sweep_run = SweepRun(seconds=PATIENCE * len(config.suite.seeds))
    out = config.out / sweep_run.run.id
    run(
        replace(config, suite=narrowed(config.suite, sweep_run.chosen), out=out),
        SweepReporter(sweep_run),
    )
    return out, sweep_run.best_effort.warning


def narrowed(suite: Suite, choice: Choice) -> Suite:
    """The suite with nothing but what was chosen, and all of its seeds."""
    rates = suite.model_copy(update={"learning_rates": (choice.learning_rate,)})
    return selected(rates, Selection((choice.architecture,), (choice.task,), (choice.length,)))
