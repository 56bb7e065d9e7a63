"""Estimate a suite before it is run: what trains, what cannot, and at most how long it takes."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from statistics import median
from typing import TYPE_CHECKING

import torch

from lagbench.contract import Split
from lagbench.report.wording import duration, plural, significant
from lagbench.run.executor import single_thread
from lagbench.run.failures import describe_failure
from lagbench.run.store import Store
from lagbench.spec.cell import Cell
from lagbench.spec.pairing import Unsupported, match

if TYPE_CHECKING:
    from lagbench.train.cell import Job

TIMED = 3  # steps, after one that is not counted


class Outcome(StrEnum):
    """What a run would do with a cell."""

    TRAINS = "trains"
    UNSUPPORTED = "unsupported"
    FAILS = "fails"  # its model cannot be built
    PRESENT = "there already"


@dataclass(frozen=True)
class CellEstimate:
    """What is known of a cell before it is run.

    reason: why it is unsupported or its model cannot be built.
    tokens: at most, read in training by all its trials.
    seconds: at most, of training and validation on one core.
    """

    architecture: str
    task: str
    length: int
    trials: int
    outcome: Outcome
    reason: str | None = None
    width: int | None = None
    parameters: int | None = None
    steps: int | None = None
    tokens: int | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class SuiteEstimate:
    """Numbers of cells by outcome; trials, tokens and seconds are upper bounds of what trains."""

    trains: int
    unsupported: int
    fails: int
    present: int
    trials: int
    tokens: int
    core_seconds: float | None = None  # None: nothing was timed
    longest: float | None = None  # seconds of the longest cell

    def seconds(self, workers: int) -> float | None:
        """Wall-clock seconds on so many cores; a cell runs on one."""
        if self.core_seconds is None or self.longest is None:
            return None
        return max(self.core_seconds / workers, self.longest)


def predict(cell: Cell) -> CellEstimate:
    """What is known without building a model: neither width nor time."""
    key = (*cell.cell_id, len(cell.pairs))
    try:
        plan = match(cell.architecture.value, cell.task.value.signature(cell.length))
    except (Exception, SystemExit) as error:
        return CellEstimate(*key, Outcome.FAILS, describe_failure(error)[1])
    if isinstance(plan, Unsupported):
        return CellEstimate(*key, Outcome.UNSUPPORTED, plan.reason)
    signature, steps = plan.signature, cell.recipe.steps
    tokens = signature.steps + (signature.target_steps if plan.writes else 0)
    tokens *= steps * cell.recipe.batch_size * len(cell.pairs)
    return CellEstimate(*key, Outcome.TRAINS, steps=steps, tokens=tokens)


def summarise_estimates(cells: Iterable[CellEstimate], present: int = 0) -> SuiteEstimate:
    """Add up the estimates of cells; present: how many more are finished already."""
    cells = list(cells)
    counts = Counter(cell.outcome for cell in cells)
    trains = [cell for cell in cells if cell.outcome is Outcome.TRAINS]
    timed = [cell.seconds for cell in trains if cell.seconds is not None]
    return SuiteEstimate(
        trains=len(trains),
        unsupported=counts[Outcome.UNSUPPORTED],
        fails=counts[Outcome.FAILS],
        present=counts[Outcome.PRESENT] + present,
        trials=sum(cell.trials for cell in trains),
        tokens=sum(cell.tokens or 0 for cell in trains),
        core_seconds=sum(timed) if timed else None,
        longest=max(timed, default=None),
    )


def describe_estimate(total: SuiteEstimate, workers: int = 1) -> str:
    """The estimate in one line, with a time if cells were timed."""
    parts = [f"{plural(total.trains, 'cell')} to train", f"{total.present} there already"]
    if total.unsupported:
        parts.append(f"{total.unsupported} unsupported")
    if total.fails:
        parts.append(f"{total.fails} cannot be built")
    line = (
        f"{', '.join(parts)}; {plural(total.trials, 'trial')}"
        f" that read at most {significant(total.tokens)} tokens in training"
    )
    seconds = total.seconds(workers)
    if seconds is None or total.core_seconds is None:
        return line
    hours = significant(total.core_seconds / 3600, 2)
    time = f"{duration(seconds)} with {plural(workers, 'worker')}"
    return f"{line}; at most {time}, {hours} core hours"


def estimate_cells(
    cells: Iterable[Cell], store: Store, device: torch.device | None = None
) -> Iterator[CellEstimate]:
    """Estimate each cell; a few steps are timed of those that will train."""
    with single_thread():
        for cell in cells:
            estimate = predict(cell)
            if store.read(cell) is not None:
                estimate = replace(estimate, outcome=Outcome.PRESENT)
            if estimate.outcome is Outcome.TRAINS:
                estimate = _timed(cell, estimate, device or torch.device("cpu"))
            yield estimate


def _timed(cell: Cell, estimate: CellEstimate, device: torch.device) -> CellEstimate:
    """The estimate with width, parameters and time, for which the model is built."""
    from lagbench.model.width import parameter_count
    from lagbench.run.cell import make_job

    try:
        job = make_job(cell)
        if isinstance(job, Unsupported):
            return replace(estimate, outcome=Outcome.UNSUPPORTED, reason=job.reason)
        stages = [job]
        if cell.tuning_seeds:  # whichever rate is chosen takes as long as another
            stages = [replace(job, seeds=cell.tuning_seeds), replace(job, rates=job.rates[:1])]
        return replace(
            estimate,
            width=job.width,
            parameters=parameter_count(job.plan, job.width),
            seconds=sum(job_seconds(stage, device) for stage in stages),
        )
    except (Exception, SystemExit) as error:
        return replace(estimate, outcome=Outcome.FAILS, reason=describe_failure(error)[1])


def job_seconds(job: "Job", device: torch.device) -> float:
    """About how long the job takes if no rate is dropped and nothing is solved early."""
    from lagbench.data.streams import generator, select, stack, training_batches
    from lagbench.device import seconds as call_seconds
    from lagbench.train.cell import initialised
    from lagbench.train.execution import choose_execution
    from lagbench.train.module import evaluation_batches
    from lagbench.train.optimiser import ReplicaAdamW
    from lagbench.train.replicas import replicate

    def median_seconds(call: Callable[[], object]) -> float:
        call()
        return median(call_seconds(call, device) for _ in range(TIMED))

    recipe = job.recipe
    execution, _ = choose_execution(job.plan, job.width, len(job.pairs), recipe.batch_size, device)
    replicas = replicate([initialised(job, seed) for seed, _ in job.pairs], execution, device)
    rates = torch.tensor([rate for _, rate in job.pairs], device=device)
    optimiser = ReplicaAdamW(replicas.flat, rates, recipe.betas, recipe.weight_decay, recipe.clip)
    streams = [training_batches(job.task, job.length, s, recipe.batch_size) for s in job.seeds]
    rows = torch.tensor([job.seeds.index(seed) for seed, _ in job.pairs], device=device)

    def step() -> None:
        replicas.backward(stack([next(stream) for stream in streams]), rows)
        optimiser.step()

    draws = generator("plan", job.task.name, job.length)
    examples = job.task.value.sample(
        job.length, recipe.validation_examples, draws, Split.VALIDATION
    )
    batches = evaluation_batches(examples, len(replicas))
    first = select(batches[0], slice(None))
    evaluation = len(batches) * median_seconds(lambda: replicas.predict(first, teacher_forced=True))
    evaluations = math.ceil(recipe.steps / recipe.evaluate_every)
    return recipe.steps * median_seconds(step) + evaluations * evaluation
