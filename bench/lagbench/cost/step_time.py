"""Pace: how long a training step takes for each token that it reads."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch

from lagbench import registry
from lagbench.contract import Batch, Split, UserError
from lagbench.cost import timing
from lagbench.cost.throughput import train_once
from lagbench.data.streams import generator
from lagbench.model.assembly import Model, assemble
from lagbench.record import StepTime
from lagbench.spec.pairing import Unsupported, match

PASSES = 5  # of which a round keeps the shortest: whatever else runs can only add to it


@dataclass(frozen=True)
class Shape:
    """What is timed: an architecture at a width, on a batch of `recall`."""

    architecture: str
    length: int
    batch: int
    width: int


def step_times(shapes: Sequence[Shape], rounds: int, device_name: str) -> list[StepTime]:
    """Time a forward and a backward pass of every shape, all in turn in every round.

    In turn, so that a machine that slows down slows all of them; one round before is not counted.
    """
    subjects = [_subject(shape) for shape in shapes]
    seconds: list[list[float]] = [[] for _ in shapes]
    for _ in range(rounds + 1):
        for subject, own in zip(subjects, seconds, strict=True):
            own.append(min(timing.seconds(partial(train_once, *subject)) for _ in range(PASSES)))
    return [
        StepTime(
            architecture=shape.architecture,
            task="recall",
            length=shape.length,
            batch=shape.batch,
            width=shape.width,
            parameters=sum(p.numel() for p in model.parameters()),
            seconds_per_token=tuple(one / (shape.length * shape.batch) for one in own[1:]),
            torch=torch.__version__,
            device=device_name,
        )
        for shape, (model, _), own in zip(shapes, subjects, seconds, strict=True)
    ]


def _subject(shape: Shape) -> tuple[Model, Batch]:
    """A fresh model and a batch for it."""
    task = registry.task("recall").value
    plan = match(registry.architecture(shape.architecture).value, task.signature(shape.length))
    if isinstance(plan, Unsupported):
        raise UserError(f"{shape.architecture} cannot be timed: {plan.reason}.")
    batch = task.sample(shape.length, shape.batch, generator("pace"), Split.TRAIN)
    return assemble(plan, shape.width), batch
