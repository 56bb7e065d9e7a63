"""How long a training step takes for each token that it reads."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch

from lagbench import registry
from lagbench.contract import Batch, Split, UserError
from lagbench.cost.throughput import train_once
from lagbench.data.streams import generator
from lagbench.device import CPU, device_name, seconds
from lagbench.model.assembly import Model, assemble
from lagbench.record import StepTime
from lagbench.spec.pairing import Unsupported, match

PASSES = 5  # in a round, of which the shortest counts: other processes can only add to it


@dataclass(frozen=True)
class Shape:
    """An architecture at a width, on a batch of `recall`."""

    architecture: str
    length: int
    batch: int
    width: int


def step_times(shapes: Sequence[Shape], rounds: int) -> list[StepTime]:
    """Time a forward and a backward pass of every shape on the CPU, interleaved in every round.

    One round before the others is not kept.
    """
    models = [_model_and_batch(shape) for shape in shapes]
    times: list[list[float]] = [[] for _ in shapes]
    for _ in range(rounds + 1):
        for model, column in zip(models, times, strict=True):
            call = partial(train_once, *model)
            column.append(min(seconds(call, CPU) for _ in range(PASSES)))
    return [
        StepTime(
            architecture=shape.architecture,
            task="recall",
            length=shape.length,
            batch=shape.batch,
            width=shape.width,
            parameters=sum(p.numel() for p in model.parameters()),
            seconds_per_token=tuple(time / (shape.length * shape.batch) for time in column[1:]),
            torch=torch.__version__,
            device=device_name(CPU),
        )
        for shape, (model, _), column in zip(shapes, models, times, strict=True)
    ]


def _model_and_batch(shape: Shape) -> tuple[Model, Batch]:
    task = registry.task("recall").value
    plan = match(registry.architecture(shape.architecture).value, task.signature(shape.length))
    if isinstance(plan, Unsupported):
        raise UserError(f"{shape.architecture} cannot be timed: {plan.reason}.")
    batch = task.sample(shape.length, shape.batch, generator("pace"), Split.TRAIN)
    return assemble(plan, shape.width), batch
