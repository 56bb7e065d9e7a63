"""What is known of a suite before it is run, and what that comes to, in words."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from lagbench.report.wording import duration, plural, significant
from lagbench.run.failures import ending
from lagbench.spec.cell import Cell
from lagbench.spec.pairing import Plan, Unsupported, match


class Outcome(StrEnum):
    """What will become of a cell."""

    TRAINS = "trains"
    REFUSED = "refused"
    FAILS = "fails"  # its model cannot be built
    PRESENT = "there already"


@dataclass(frozen=True)
class Expected:
    """What is known of a cell before it is run."""

    architecture: str
    task: str
    length: int
    trials: int
    outcome: Outcome
    reason: str | None = None  # of a refusal, or a failure
    width: int | None = None
    parameters: int | None = None
    steps: int | None = None
    tokens: int | None = None  # at most, that all its trials read in training
    seconds: float | None = None  # at most, on one core: training and validation


@dataclass(frozen=True)
class Outlook:
    """A suite as a whole. Amounts are those of what will train, and are upper bounds."""

    trains: int  # cells
    refused: int
    fails: int
    present: int
    trials: int
    tokens: int
    core_seconds: float | None = None  # None: nothing was timed
    longest: float | None = None  # seconds of the longest cell

    def seconds(self, workers: int) -> float | None:
        """On so many cores: no cell is shared between them."""
        if self.core_seconds is None or self.longest is None:
            return None
        return max(self.core_seconds / workers, self.longest)


def foreseen(cell: Cell) -> Expected:
    """What is known of a cell when no model of it is built: nothing of its width or its time."""
    at = (*cell.cell_id, len(cell.pairs))
    try:
        plan = match(cell.architecture.value, cell.task.value.signature(cell.length))
    except (Exception, SystemExit) as error:
        return Expected(*at, Outcome.FAILS, ending(error)[1])
    if isinstance(plan, Unsupported):
        return Expected(*at, Outcome.REFUSED, plan.reason)
    steps = cell.recipe.steps
    tokens = steps * cell.recipe.batch_size * len(cell.pairs) * _tokens(plan)
    return Expected(*at, Outcome.TRAINS, steps=steps, tokens=tokens)


def outlook(found: Iterable[Expected], present: int = 0) -> Outlook:
    """The sum of what is known of the cells; present: how many are there beside these."""
    known = list(found)
    counts = Counter(one.outcome for one in known)
    trains = [one for one in known if one.outcome is Outcome.TRAINS]
    timed = [one.seconds for one in trains if one.seconds is not None]
    return Outlook(
        trains=len(trains),
        refused=counts[Outcome.REFUSED],
        fails=counts[Outcome.FAILS],
        present=counts[Outcome.PRESENT] + present,
        trials=sum(one.trials for one in trains),
        tokens=sum(one.tokens or 0 for one in trains),
        core_seconds=sum(timed) if timed else None,
        longest=max(timed, default=None),
    )


def in_words(whole: Outlook, workers: int = 1) -> str:
    """The outlook in one line; a time where cells were timed."""
    parts = [f"{plural(whole.trains, 'cell')} to train", f"{whole.present} there already"]
    parts += [f"{count} {word}" for count, word in ((whole.refused, "refused"),
              (whole.fails, "cannot be built")) if count]  # fmt: skip
    told = f"{', '.join(parts)}; {plural(whole.trials, 'trial')}"
    told += f" that read at most {significant(whole.tokens)} tokens in training"
    seconds = whole.seconds(workers)
    if seconds is None or whole.core_seconds is None:
        return told
    hours = significant(whole.core_seconds / 3600, 2)
    took = f"{duration(seconds)} with {plural(workers, 'worker')}"
    return f"{told}; at most {took}, {hours} core hours"


def _tokens(plan: Plan) -> int:
    """What a model reads of one example: its source, and its target where it writes one."""
    signature = plan.signature
    return signature.steps + (signature.target_steps if plan.writes else 0)
