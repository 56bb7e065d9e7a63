"""What a suite will do, and at most how long it takes, before any of it is done."""

import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from statistics import median

import torch

from bench.contract import Split
from bench.matching import Plan, Skip, match
from bench.model.budget import parameter_count
from bench.report.wording import counted, duration, figures
from bench.run.cell import job_of
from bench.run.ending import ending
from bench.run.executor import computing_alone
from bench.run.store import Store
from bench.run.trial import Cell
from bench.train.cell import Job, initialised
from bench.train.data import generator, select, stack, training_batches
from bench.train.module import evaluation_batches
from bench.train.optimiser import ReplicaAdamW
from bench.train.replicas import replicate, way_for

TIMED = 3  # steps, after one that is not counted


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
    at = (*cell.place, len(cell.pairs))
    try:
        plan = match(cell.architecture.value, cell.task.value.signature(cell.length))
    except (Exception, SystemExit) as error:
        return Expected(*at, Outcome.FAILS, ending(error)[1])
    if isinstance(plan, Skip):
        return Expected(*at, Outcome.REFUSED, plan.reason)
    steps = cell.recipe.steps
    tokens = steps * cell.recipe.batch_size * len(cell.pairs) * _tokens(plan)
    return Expected(*at, Outcome.TRAINS, steps=steps, tokens=tokens)


def expected(
    cells: Iterable[Cell], store: Store, device: torch.device | None = None
) -> Iterator[Expected]:
    """Every cell in turn; those that will train are timed for a few steps, which takes a moment."""
    with computing_alone():
        for cell in cells:
            found = foreseen(cell)
            if store.read(cell) is not None:
                found = replace(found, outcome=Outcome.PRESENT)
            if found.outcome is Outcome.TRAINS:
                found = _built(cell, found, device or torch.device("cpu"))
            yield found


def _stages(cell: Cell, job: Job) -> list[Job]:
    """What is trained one after the other; whichever rate is chosen takes as long as another."""
    if not cell.tuning_seeds:
        return [job]
    return [replace(job, seeds=cell.tuning_seeds), replace(job, rates=job.rates[:1])]


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
    parts = [f"{counted(whole.trains, 'cell')} to train", f"{whole.present} there already"]
    parts += [f"{count} {word}" for count, word in ((whole.refused, "refused"),
              (whole.fails, "cannot be built")) if count]  # fmt: skip
    told = f"{', '.join(parts)}; {counted(whole.trials, 'trial')}"
    told += f" that read at most {figures(whole.tokens)} tokens in training"
    seconds = whole.seconds(workers)
    if seconds is None or whole.core_seconds is None:
        return told
    hours = figures(whole.core_seconds / 3600, 2)
    took = f"{duration(seconds)} with {counted(workers, 'worker')}"
    return f"{told}; at most {took}, {hours} core hours"


def _tokens(plan: Plan) -> int:
    """What a model reads of one example: its source, and its target where it writes one."""
    signature = plan.signature
    return signature.steps + (signature.target_steps if plan.writes else 0)


def _built(cell: Cell, found: Expected, device: torch.device) -> Expected:
    """The same, when its model is built and timed."""
    try:
        job = job_of(cell)
        if isinstance(job, Skip):
            return replace(found, outcome=Outcome.REFUSED, reason=job.reason)
        count = parameter_count(job.plan, job.width)
        taken = sum(seconds(stage, device) for stage in _stages(cell, job))
        return replace(found, width=job.width, parameters=count, seconds=taken)
    except (Exception, SystemExit) as error:
        return replace(found, outcome=Outcome.FAILS, reason=ending(error)[1])


def seconds(job: Job, device: torch.device) -> float:
    """About how long the job takes if no rate is dropped and nothing is solved early."""
    recipe = job.recipe
    way = way_for(job.plan, len(job.pairs), recipe.batch_size, device)
    replicas = replicate([initialised(job, seed) for seed, _ in job.pairs], way, device)
    rates = torch.tensor([rate for _, rate in job.pairs], device=device)
    optimiser = ReplicaAdamW(replicas.flat, rates, recipe.betas, recipe.weight_decay, recipe.clip)
    streams = [training_batches(job.task, job.length, s, recipe.batch_size) for s in job.seeds]
    rows = torch.tensor([job.seeds.index(seed) for seed, _ in job.pairs], device=device)

    def step() -> None:
        replicas.backward(stack([next(stream) for stream in streams]), rows)
        optimiser.step()

    count = recipe.validation_examples
    draws = generator("plan", job.task.name, job.length)
    examples = job.task.value.sample(job.length, count, draws, Split.VALIDATION)
    batches = evaluation_batches(examples, len(replicas))
    first = select(batches[0], slice(None))
    evaluation = _duration(lambda: replicas.predict(first, forced=True)) * len(batches)
    return recipe.steps * _duration(step) + math.ceil(recipe.steps / recipe.evaluate_every) * (
        evaluation
    )


def _duration(call: Callable[[], object]) -> float:
    """The median seconds of a call."""
    call()
    durations = []
    for _ in range(TIMED):
        start = time.perf_counter()
        call()
        durations.append(time.perf_counter() - start)
    return median(durations)
