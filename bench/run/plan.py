"""What a suite will do, and about how long it takes, before any of it is done."""

import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from statistics import median

import torch

from bench.contract import Split
from bench.matching import Skip
from bench.model.budget import parameter_count
from bench.run.cell import job_of
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
    PRESENT = "there already"


@dataclass(frozen=True)
class Expected:
    """What is known of a cell before it is run."""

    architecture: str
    task: str
    length: int
    trials: int
    outcome: Outcome
    reason: str | None = None  # of a refusal
    width: int | None = None
    parameters: int | None = None
    steps: int | None = None
    seconds: float | None = None  # at most, on one core: training and validation


def expected(
    cells: Iterable[Cell], store: Store, device: torch.device | None = None
) -> Iterator[Expected]:
    """Every cell in turn; those that will train are timed for a few steps, which takes a moment."""
    with computing_alone():
        for cell in cells:
            yield _expected(cell, store, device or torch.device("cpu"))


def _expected(cell: Cell, store: Store, device: torch.device) -> Expected:
    at = (*cell.place, len(cell.pairs))
    if store.read(cell) is not None:
        return Expected(*at, Outcome.PRESENT)
    job = job_of(cell)
    if isinstance(job, Skip):
        return Expected(*at, Outcome.REFUSED, job.reason)
    return Expected(
        *at,
        Outcome.TRAINS,
        width=job.width,
        parameters=parameter_count(job.plan, job.width),
        steps=job.recipe.steps,
        seconds=seconds(job, device),
    )


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
