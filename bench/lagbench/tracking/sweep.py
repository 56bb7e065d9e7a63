"""Sweeps that W&B drives: the file that describes one, and the run of one of its trials.

An agent's run trains one architecture on one task at one length with one learning rate and all
seeds of the suite. What is optimised is the validation score: test decides nothing.
"""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any, Literal

import yaml

from lagbench.contract import UserError
from lagbench.record import Point, Record
from lagbench.spec.cell import Cell
from lagbench.tracking.destination import Tracking
from lagbench.tracking.runs import SUCCEEDED, BestEffort, minimal_settings

Method = Literal["grid", "random", "bayes"]
AT = "@"  # between a task's name and a length: a grid over both would have lengths that no task has


def sweep_file(
    tracking: Tracking, suite: str, cells: Sequence[Cell], method: Method, command: Sequence[str]
) -> str:
    """The YAML that `wandb sweep` takes; command: what an agent starts for each trial."""
    architectures = dict.fromkeys(cell.architecture.name for cell in cells)
    targets = dict.fromkeys(f"{cell.task.name}{AT}{cell.length}" for cell in cells)
    rates = dict.fromkeys(rate for cell in cells for rate in cell.rates)
    description = {
        "name": suite,
        "project": tracking.project,
        "entity": tracking.entity,
        "method": method,
        "metric": {"name": "validation_score", "goal": "maximize"},
        "parameters": {
            "architecture": {"values": list(architectures)},
            "task_at_length": {"values": list(targets)},
            "learning_rate": {"values": list(rates)},
        },
        "command": list(command),
    }
    text: str = yaml.safe_dump(
        {key: value for key, value in description.items() if value is not None},
        sort_keys=False, allow_unicode=True, width=100,
    )  # fmt: skip
    return text


class SweepRun:
    """The run that an agent of W&B has made for us: what to train, and what came of it.

    seconds: that it waits for the server at the end, at most. Raises `UserError` where there is
    no such run: without the server, nobody says what to train.
    """

    def __init__(self, seconds: float) -> None:
        import wandb

        self.best_effort = BestEffort()
        settings = minimal_settings()
        settings.init_timeout = 30
        settings.finish_timeout = seconds
        settings.finish_timeout_raises = True
        try:
            self.run: Any = wandb.init(job_type="sweep", settings=settings)
            self.chosen = Choice(dict(self.run.config))
            self.run.define_metric("examples")
            self.run.define_metric("*", step_metric="examples")
        except UserError:
            self.run.finish(exit_code=1)
            raise
        except Exception as error:
            reason = " ".join(str(error).split())
            raise UserError(f"There is no W&B run to train for: {reason.rstrip('.')}.") from error

    def log(self, points: Mapping[int, Point]) -> None:
        """Add the means over seeds of an evaluation."""
        rows = [point.model_dump() for point in points.values()]
        if rows:
            means = {name: fmean(row[name] for row in rows) for name in rows[0]}
            self.best_effort(lambda: self.run.log(means))

    def finish(self, records: Sequence[Record]) -> None:
        """Write the mean of each measure over the seeds, and the other fields of the first."""
        from lagbench.report.columns import recorded_values

        rows = [recorded_values(record) for record in records]
        shared = {name: _mean([row[name] for row in rows if name in row]) for name in rows[0]}
        well = all(record.status in SUCCEEDED for record in records)
        self.best_effort(lambda: self.run.summary.update(shared))
        self.best_effort(lambda: self.run.finish(exit_code=0 if well else 1))


class Choice:
    """What W&B chose for one run of a sweep."""

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        try:
            self.architecture = str(parameters["architecture"])
            self.task, _, length = str(parameters["task_at_length"]).rpartition(AT)
            self.length, self.learning_rate = int(length), float(parameters["learning_rate"])
        except (KeyError, ValueError) as error:
            raise UserError(
                "The sweep does not choose architecture, task_at_length (as in recall@64) and "
                "learning_rate: `lagbench sweep` writes one that does."
            ) from error


def _mean(values: Sequence[Any]) -> Any:
    """The mean of numbers; of anything else, the first."""
    numbers = [value for value in values if isinstance(value, int | float)]
    return fmean(numbers) if len(numbers) == len(values) else values[0]
