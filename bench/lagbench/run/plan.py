"""At most how long a suite takes, found out by a few steps of each cell."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from statistics import median

import torch

from lagbench.contract import Split
from lagbench.data.streams import generator, select, stack, training_batches
from lagbench.device import seconds as call_seconds
from lagbench.model.width import parameter_count
from lagbench.run.cell import job_of
from lagbench.run.estimate import Expected, Outcome, foreseen
from lagbench.run.executor import computing_alone
from lagbench.run.failures import ending
from lagbench.run.store import Store
from lagbench.spec.cell import Cell
from lagbench.spec.pairing import Unsupported
from lagbench.train.cell import Job, initialised
from lagbench.train.execution import choose_execution
from lagbench.train.module import evaluation_batches
from lagbench.train.optimiser import ReplicaAdamW
from lagbench.train.replicas import replicate

TIMED = 3  # steps, after one that is not counted


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


def _built(cell: Cell, found: Expected, device: torch.device) -> Expected:
    """The same, when its model is built and timed."""
    try:
        job = job_of(cell)
        if isinstance(job, Unsupported):
            return replace(found, outcome=Outcome.REFUSED, reason=job.reason)
        count = parameter_count(job.plan, job.width)
        taken = sum(seconds(stage, device) for stage in _stages(cell, job))
        return replace(found, width=job.width, parameters=count, seconds=taken)
    except (Exception, SystemExit) as error:
        return replace(found, outcome=Outcome.FAILS, reason=ending(error)[1])


def seconds(job: Job, device: torch.device) -> float:
    """About how long the job takes if no rate is dropped and nothing is solved early."""
    recipe = job.recipe
    count, batch_size = len(job.pairs), recipe.batch_size
    execution, _ = choose_execution(job.plan, job.width, count, batch_size, device)
    replicas = replicate([initialised(job, seed) for seed, _ in job.pairs], execution, device)
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
    evaluation = _duration(lambda: replicas.predict(first, teacher_forced=True), device)
    evaluations = len(batches) * math.ceil(recipe.steps / recipe.evaluate_every)
    return recipe.steps * _duration(step, device) + evaluations * evaluation


def _duration(call: Callable[[], object], device: torch.device) -> float:
    """The median seconds of a call."""
    call()
    return median(call_seconds(call, device) for _ in range(TIMED))
