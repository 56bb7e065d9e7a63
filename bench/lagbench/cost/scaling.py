"""How costs grow with the length: untrained models of one width, measured at every length."""

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
MIN_LENGTH = 256  # of a fit: below, the fixed cost of a call hides the growth
MIN_LENGTHS = 3  # that a fit with an interval needs


@dataclass(frozen=True)
class Case:
    """One architecture at one length, on the first of the tasks that it supports."""

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
    """All cases to measure, or unsupported; raises `UserError` where a task has no such length."""
    recipe, ordered = Recipe(batch_size=batch), sorted(set(lengths))
    result = []
    for architecture in architectures:
        for length in ordered:
            jobs = [_job(architecture, task, length, width, recipe) for task in tasks]
            first = next((i for i, job in enumerate(jobs) if isinstance(job, Job)), 0)
            result.append(Case(architecture, tasks[first], length, jobs[first]))
    return result


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


def measure(case: Case, device: str) -> Throughput:
    """Measure the cost of a supported case; nothing else should run meanwhile."""
    assert isinstance(case.job, Job)
    names = case.architecture.name, case.task.name
    return throughput(case.job, names, torch.device(device))


def exponents(throughputs: Iterable[Throughput], orders: Mapping[str, str]) -> list[Exponent]:
    """How the time of a pass grows, where enough lengths were measured undisturbed.

    orders: what architectures state of their operations, by name.
    """
    usable = [t for t in throughputs if t.length >= MIN_LENGTH and t.undisturbed]
    fitted = []
    for (architecture, task), group in groupby(sorted(usable, key=_names), _names):
        members = list(group)
        if len(members) < MIN_LENGTHS:
            continue
        steps = [t.tokens_per_example for t in members]
        speeds = {
            "training": [t.train_tokens_per_second for t in members],
            "inference": [t.inference_tokens_per_second for t in members],
        }
        for work, rates in speeds.items():
            tokens = [t.batch * t.tokens_per_example for t in members]
            growth = fit(steps, [n / rate for n, rate in zip(tokens, rates, strict=True)])
            order = orders.get(architecture)
            fitted.append(Exponent(architecture, task, work, *growth, len(members), order))
    return fitted


def fit(steps: Sequence[float], values: Sequence[float]) -> tuple[float, float, float]:
    """The slope of a straight line through the logarithms, and its 95% interval by Student's t."""
    line = stats.linregress([math.log(x) for x in steps], [math.log(y) for y in values])
    error = stats.t.ppf(0.975, len(steps) - 2) * line.stderr
    return float(line.slope), float(line.slope - error), float(line.slope + error)


def _names(measured: Throughput) -> tuple[str, str]:
    return measured.architecture, measured.task
