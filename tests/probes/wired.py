"""Models that are wired by hand, tasks for them, and what a probe is given of both."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from lagbench.contract import (
    Alignment,
    Architecture,
    Batch,
    Metric,
    Mixer,
    Reals,
    Signature,
    Split,
    Task,
    Tokens,
)
from lagbench.model.assembly import Model
from lagbench.probes.context import ProbeContext
from lagbench.record import Execution
from lagbench.registry import Named
from lagbench.spec.pairing import Plan, match
from lagbench.spec.recipe import Recipe
from lagbench.train.cell import Job, initialised
from lagbench.train.evaluation import evaluate
from lagbench.train.replicas import replicate

SYMBOLS = 8
ENOUGH = 10**6  # updates: training has cost so much that every probe may look at its most


class Attending(Mixer):
    """Outputs are its inputs; whoever inherits says where it looks."""

    def __init__(self):
        super().__init__()
        self.unused = nn.Linear(1, 1)

    def forward(self, x, mask=None):
        return x

    def extend(self, x, state=None):
        return x, x[:, :0]


class Linear(Mixer):
    def __init__(self, factor):
        super().__init__()
        self.factor = torch.tensor(factor, dtype=torch.float64)

    def forward(self, x, mask=None):
        return self.extend(x)[0]

    def extend(self, x, state=None):
        h = torch.zeros_like(x[:, 0]) if state is None else state
        outputs = []
        for step in x.unbind(1):
            h = h @ self.factor.to(x.dtype).T + step
            outputs.append(h)
        return torch.stack(outputs, 1), h


@dataclass(frozen=True)
class LinearRecurrence(Architecture):
    """`h_t = W h_{t−1} + x_t`"""

    factor: tuple[tuple[float, ...], ...] = ((0.9,),)

    def build(self, width, signature):
        return Linear(self.factor)


class Delay(Mixer):
    def __init__(self, steps):
        super().__init__()
        self.steps = steps

    def forward(self, x, mask=None):
        return nn.functional.pad(x, (0, 0, self.steps, 0))[:, : x.shape[1]]


@dataclass(frozen=True)
class Delayed(Architecture):
    """`y_t = x_{t−k}`"""

    steps: int = 5
    limit: int | None = None

    @property
    def max_length(self):
        return self.limit

    def build(self, width, signature):
        return Delay(self.steps)


@dataclass(frozen=True)
class LookBack(Task):
    """Every example repeats a symbol of its own; the answer is the one `lag` steps before."""

    lag: int = 5
    aligned: bool = False

    def signature(self, length):
        alignment = Alignment.ALIGNED if self.aligned else Alignment.POOLED
        steps = length if self.aligned else 1
        return Signature(Tokens(SYMBOLS), Tokens(SYMBOLS), alignment, length, steps, self.aligned)

    def sample(self, length, count, generator, split):
        source = (torch.arange(count) % SYMBOLS)[:, None].repeat(1, length)
        target = self.oracle(length, source, None)
        counted = torch.arange(target.shape[1]) >= (self.lag if self.aligned else 0)
        return Batch(source, target, target_mask=counted.expand_as(target))

    def chance(self, length):
        return 1 / SYMBOLS

    def oracle(self, length, source, source_mask):
        if not self.aligned:
            return source[:, -1 - self.lag, None]
        return nn.functional.pad(source, (self.lag, 0))[:, :length]


@dataclass(frozen=True)
class First(Task):
    """Values, the first marked in the second coordinate; the answer is a function of the first."""

    metric = Metric.MSE

    def signature(self, length):
        return Signature(Reals(2), Reals(1), Alignment.POOLED, length)

    def sample(self, length, count, generator, split):
        marks = torch.zeros(count, length)
        marks[:, 0] = 1
        source = torch.stack([torch.randn(count, length, generator=generator), marks], 2)
        return Batch(source, self.oracle(length, source, None))

    def chance(self, length):
        return 1.0

    def oracle(self, length, source, source_mask):
        return source[:, :1, :1].tanh().tanh()


def subject_of(
    architecture: Architecture,
    task: Named[Task],
    length: int,
    width: int,
    wire: Callable[[Model], None] = lambda model: None,
    seeds: Sequence[int] = (0,),
    examples: int = 16,
) -> ProbeContext:
    plan = match(architecture, task.value.signature(length))
    assert isinstance(plan, Plan)
    job = Job(plan, width, task, length, tuple(seeds), (1e-3,), Recipe(test_examples=examples))
    models = [initialised(job, seed) for seed in seeds]
    with torch.no_grad():
        for model in models:
            wire(model)
    replicas = replicate(models, Execution.LOOP, torch.device("cpu"))
    split = job.split(Split.TEST, None)
    _, answers = evaluate(replicas, split, job.scale.metric)
    return ProbeContext(job, tuple(seeds), replicas, split, answers, ENOUGH)


def sharp(model: Model) -> None:
    """Symbols go in and come out as they are, and the model is sure of it."""
    model.embed.weight.copy_(torch.eye(SYMBOLS))
    model.head.weight.copy_(1000 * torch.eye(SYMBOLS))
    model.head.bias.zero_()
