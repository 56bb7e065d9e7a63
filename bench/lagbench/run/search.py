"""A search: Optuna chooses configurations, the runner trains them, validation alone judges them.

The same seed chooses the same configurations, on however many cores. Nothing of the study is kept
but the records: a search that is started again chooses as before, and finds them there.
"""

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean

import optuna

from lagbench.contract import UserError
from lagbench.record import Record, Status
from lagbench.run.config import RunConfig
from lagbench.run.runner import Watcher, stored_cells, train_cells
from lagbench.run.space import Configuration, Range, Space, Values, configured
from lagbench.run.store import Store, atomic_write, run_lock
from lagbench.spec.cell import Cell
from lagbench.spec.suite import cells
from lagbench.tracking import SuiteRuns

ROUND = 4  # configurations that are chosen before the first of them is judged
TABLE = "search.csv"

_STATES = {  # others failed, which says nothing of the configuration
    Status.OK: optuna.trial.TrialState.COMPLETE,
    Status.UNSUPPORTED: optuna.trial.TrialState.PRUNED,
    Status.DIVERGED: optuna.trial.TrialState.PRUNED,
}


@dataclass(frozen=True)
class Tried:
    """A configuration and its result."""

    number: int  # in the order of trying, from 1
    configuration: Configuration
    status: Status
    validation_score: float | None = None  # mean over cells and seeds, each cell at its best rate
    reason: str | None = None

    @property
    def row(self) -> dict[str, str | int | float | None]:
        """Its row of `search.csv`."""
        return {
            "number": self.number,
            **self.configuration,
            "validation_score": self.validation_score,
            "status": self.status.value,
            "reason": self.reason,
        }


def search(
    config: RunConfig,
    space: Space,
    most: int,
    seed: int,
    tell: Callable[[Tried, int], None] = lambda *_: None,
    warn: Callable[[str], None] = lambda _: None,
) -> list[Tried]:
    """Try `most` configurations; all of them, once, if the space has no more.

    Trains what is missing of them into the config's folder, and writes `search.csv` there after
    every round. tell: called with each result and the number of configurations. warn: called for
    every file that is set aside. Raises `UserError` where another run holds the folder.
    """
    chooser = _Chooser(space, most, seed)
    store = Store(config.out, warn)
    results: list[Tried] = []
    with run_lock(config.out):
        while chosen := chooser.choose(ROUND):
            planned = [_planned(space, configuration) for configuration in chosen]
            records = _records(config, planned, store)
            tried = [
                _judged(number, configuration, cells, records)
                for number, (configuration, cells) in enumerate(
                    zip(chosen, planned, strict=True), start=len(results) + 1
                )
            ]
            chooser.learn(tried)
            results += tried
            atomic_write(config.out / TABLE, _table(results))
            for result in tried:
                tell(result, chooser.total)
    return results


def ranked(results: Sequence[Tried]) -> list[Tried]:
    """Sort by validation score, best first; ties by number, and last those without a score."""
    scored = [result for result in results if result.validation_score is not None]
    others = [result for result in results if result.validation_score is None]
    return sorted(scored, key=lambda result: -(result.validation_score or 0.0)) + others


class _Chooser:
    """Optuna's study of a space; where a space is small enough, all of it is enqueued."""

    def __init__(self, space: Space, most: int, seed: int) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        sampler = optuna.samplers.TPESampler(seed=seed)
        self.space, self.study = space, optuna.create_study(direction="maximize", sampler=sampler)
        self.distributions = {name: _distribution(axis) for name, axis in space.axes.items()}
        grid = space.grid(most)
        for configuration in grid or ():
            self.study.enqueue_trial(configuration)
        self.left = self.total = most if grid is None else len(grid)
        self.asked: list[optuna.Trial] = []

    def choose(self, most: int) -> list[Configuration]:
        """The next `most` configurations; fewer at the end, and then none."""
        count = min(most, self.left)
        self.left -= count
        self.asked = [self.study.ask(self.distributions) for _ in range(count)]
        return [self.space.typed(trial.params) for trial in self.asked]

    def learn(self, tried: Sequence[Tried]) -> None:
        """Report the results of the configurations that were chosen last to the study."""
        for trial, result in zip(self.asked, tried, strict=True):
            state = _STATES.get(result.status, optuna.trial.TrialState.FAIL)
            self.study.tell(trial, result.validation_score, state)


def _distribution(axis: Values | Range) -> optuna.distributions.BaseDistribution:
    if isinstance(axis, Values):
        return optuna.distributions.CategoricalDistribution(axis.choices)
    if axis.integer:
        return optuna.distributions.IntDistribution(int(axis.low), int(axis.high), log=axis.log)
    return optuna.distributions.FloatDistribution(axis.low, axis.high, log=axis.log)


def _planned(space: Space, configuration: Configuration) -> list[Cell] | UserError:
    """The cells of a configuration, or why it is invalid."""
    try:
        return cells(configured(space.suite, configuration))
    except UserError as error:
        return error


def _records(
    config: RunConfig, planned: Sequence[list[Cell] | UserError], store: Store
) -> dict[Cell, list[Record]]:
    """The records of all planned cells; those that are missing are trained."""
    lists = [cells for cells in planned if not isinstance(cells, UserError)]
    todo = list(dict.fromkeys(cell for cells in lists for cell in cells))
    records = stored_cells(todo, store, config.retry_failed, Watcher())
    missing = [cell for cell in todo if cell not in records]
    runs = SuiteRuns(config.tracking, config.suite.name)
    records |= train_cells(config, missing, store, Watcher(), runs)
    runs.upload()
    return records


def _judged(
    number: int,
    configuration: Configuration,
    planned: list[Cell] | UserError,
    records: dict[Cell, list[Record]],
) -> Tried:
    """The mean validation score of its cells, or the status and reason of the first that failed."""
    if isinstance(planned, UserError):
        return Tried(number, configuration, Status.UNSUPPORTED, reason=str(planned))
    scored = [record for cell in planned for record in _scored(records[cell])]
    for record in scored:
        if record.status is not Status.OK:
            reason = f"{record.task} at length {record.length}: {record.reason}"
            return Tried(number, configuration, record.status, reason=reason)
    scores = [record.validation_score for record in scored if record.validation_score is not None]
    return Tried(number, configuration, Status.OK, fmean(scores))


def _scored(records: list[Record]) -> list[Record]:
    """The trials of a cell at its best learning rate; all of a cell that has none."""
    return [record for record in records if record.selected] or records


def _table(results: Sequence[Tried]) -> str:
    text = io.StringIO()
    rows = [result.row for result in results]
    writer = csv.DictWriter(text, [*rows[0]], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
