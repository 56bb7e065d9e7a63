"""How prices grow with the length: untrained models of one width, measured at every length."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import torch
from scipy import stats

from lagbench.contract import Architecture, Task, UserError
from lagbench.cost.throughput import throughput
from lagbench.model.width import width_for
from lagbench.record import Throughput
from lagbench.registry import Named
from lagbench.spec.budget import Budget
from lagbench.spec.pairing import Unsupported, match
from lagbench.spec.recipe import Recipe
from lagbench.train.cell import Job

LENGTHS = tuple(2**power for power in range(4, 13))
TASKS = ("selective_copy", "recall")
"""An answer of 8 symbols is written after any length, so that decoding is timed too; what cannot
write reads for a single answer."""
LEAST = 256  # below it, what a call costs at any length hides how it grows
FEWEST = 3  # lengths that a fit needs, to say how far it may be off


@dataclass(frozen=True)
class Case:
    """One architecture at one length, on the first of the tasks that it can run."""

    architecture: Named[Architecture]
    task: Named[Task]
    length: int
    job: Job | Unsupported


@dataclass(frozen=True)
class Exponent:
    """The `k` of a time in proportion to `T^k`, with its 95% interval, over so many lengths.

    order: what the architecture states of its operations in the length; None: nothing.
    """

    architecture: str
    task: str
    work: str
    exponent: float
    low: float
    high: float
    lengths: int
    order: str | None


def cases(
    architectures: Iterable[Named[Architecture]],
    tasks: Sequence[Named[Task]],
    lengths: Iterable[int],
    width: int,
    batch: int,
) -> list[Case]:
    """All there is to measure or to refuse; `UserError` where a task has no such length."""
    recipe, ordered = Recipe(batch_size=batch), sorted(set(lengths))
    return [
        _case(architecture, tasks, length, width, recipe)
        for architecture in architectures
        for length in ordered
    ]


def measured(case: Case, device: str, device_name: str) -> Throughput:
    """What the model of a case costs; its place must not be taken by other work meanwhile."""
    assert isinstance(case.job, Job)
    return throughput(
        case.job, (case.architecture.name, case.task.name), device_name, torch.device(device)
    )


def exponents(found: Iterable[Throughput], orders: Mapping[str, str]) -> list[Exponent]:
    """How the times of a pass grow, where enough lengths from `LEAST` on were measured alone.

    orders: what the architectures state of their operations, those that do.
    """
    counted = [one for one in found if one.length >= LEAST and one.undisturbed]
    fitted = []
    for (architecture, task), group in groupby(sorted(counted, key=_place), _place):
        members = list(group)
        if len(members) < FEWEST:
            continue
        steps = [one.tokens_per_example for one in members]
        for work in ("training", "inference"):
            growth = fit(steps, [_seconds(one, work) for one in members])
            order = orders.get(architecture)
            fitted.append(Exponent(architecture, task, work, *growth, len(members), order))
    return fitted


def fit(steps: Sequence[float], values: Sequence[float]) -> tuple[float, float, float]:
    """The slope of a straight line through the logarithms, and its 95% interval by Student's t."""
    line = stats.linregress([math.log(x) for x in steps], [math.log(y) for y in values])
    error = stats.t.ppf(0.975, len(steps) - 2) * line.stderr
    return float(line.slope), float(line.slope - error), float(line.slope + error)


def _case(
    architecture: Named[Architecture],
    tasks: Sequence[Named[Task]],
    length: int,
    width: int,
    recipe: Recipe,
) -> Case:
    jobs = [_job(architecture, task, length, width, recipe) for task in tasks]
    first = next((index for index, job in enumerate(jobs) if isinstance(job, Job)), 0)
    return Case(architecture, tasks[first], length, jobs[first])


def _job(
    architecture: Named[Architecture], task: Named[Task], length: int, width: int, recipe: Recipe
) -> Job | Unsupported:
    plan = match(architecture.value, task.value.signature(length))
    if isinstance(plan, Unsupported):
        return plan
    try:
        width_for(plan, Budget(width=width))
    except UserError as error:
        return Unsupported(str(error))
    return Job(plan, width, task, length, (0,), (1e-3,), recipe)


def _place(one: Throughput) -> tuple[str, str]:
    return one.architecture, one.task


def _seconds(one: Throughput, work: str) -> float:
    """Of one pass over a batch."""
    rates = {
        "training": one.train_tokens_per_second,
        "inference": one.inference_tokens_per_second,
    }
    return one.batch * one.tokens_per_example / rates[work]
