"""One run of a W&B sweep: what W&B chose is trained here like any cell, and told as it goes."""

from dataclasses import replace
from pathlib import Path

from lagbench.run.config import RunConfig
from lagbench.run.executor import Event, Finished
from lagbench.run.runner import Watcher, run
from lagbench.spec.suite import Selection, Suite, selected
from lagbench.tracking.sweep import Choice, SweepRun

PATIENCE = 1.0  # seconds a trial that the server is waited for in the end


class SweepReporter(Watcher):
    """Tells a run of a sweep what becomes of its cell."""

    def __init__(self, to: SweepRun) -> None:
        self.to = to

    def on_event(self, event: Event) -> None:
        """Tell an evaluation."""
        self.to.log(event.points)

    def finished(self, done: Finished) -> None:
        """Tell what it came to."""
        self.to.finish(done.records)


def agent(config: RunConfig) -> tuple[Path, str | None]:
    """Train what the sweep's run chooses of the suite; its folder, and W&B's warning if any.

    The records are kept in a folder of the run's own, so that many agents may work at once.
    """
    to = SweepRun(seconds=PATIENCE * len(config.suite.seeds))
    out = config.out / to.run.id
    run(replace(config, suite=narrowed(config.suite, to.chosen), out=out), SweepReporter(to))
    return out, to.guard.warning


def narrowed(suite: Suite, choice: Choice) -> Suite:
    """The suite with nothing but what was chosen, and all of its seeds."""
    rates = suite.model_copy(update={"learning_rates": (choice.learning_rate,)})
    return selected(rates, Selection((choice.architecture,), (choice.task,), (choice.length,)))
