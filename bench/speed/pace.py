"""Pace: how long a training step takes for each token, on one thread and on two."""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import torch

from bench import registry
from bench.contract import Batch, InputError, Split
from bench.matching import Skip, match
from bench.model.assembly import Model, assemble
from bench.record import Pace
from bench.speed.throughput import train_once
from bench.train.data import generator

PASSES = 3  # of which a round keeps the median


@dataclass(frozen=True)
class Shape:
    """What is timed: an architecture at a width, on a batch of `recall`, on so many threads."""

    architecture: str
    length: int
    batch: int
    width: int
    threads: int


def paces(shapes: Sequence[Shape], rounds: int, device_name: str) -> list[Pace]:
    """Time a forward and a backward pass of every shape, all in turn in every round.

    In turn, so that a machine that slows down slows all of them; one round before is not counted.
    A shape with more threads than this machine has processors is left out.
    """
    fitting = [shape for shape in shapes if shape.threads <= (os.cpu_count() or 1)]
    subjects = [_subject(shape) for shape in fitting]
    seconds: list[list[float]] = [[] for _ in fitting]
    threads = torch.get_num_threads()
    try:
        for _ in range(rounds + 1):
            for shape, subject, own in zip(fitting, subjects, seconds, strict=True):
                torch.set_num_threads(shape.threads)
                own.append(median(_seconds(*subject) for _ in range(PASSES)))
    finally:
        torch.set_num_threads(threads)
    return [
        Pace(
            architecture=shape.architecture,
            task="recall",
            length=shape.length,
            batch=shape.batch,
            width=shape.width,
            parameters=sum(p.numel() for p in model.parameters()),
            threads=shape.threads,
            seconds_per_token=tuple(one / (shape.length * shape.batch) for one in own[1:]),
            torch=torch.__version__,
            device=device_name,
        )
        for shape, (model, _), own in zip(fitting, subjects, seconds, strict=True)
    ]


def _subject(shape: Shape) -> tuple[Model, Batch]:
    """A fresh model and a batch for it."""
    task = registry.task("recall").value
    plan = match(registry.architecture(shape.architecture).value, task.signature(shape.length))
    if isinstance(plan, Skip):
        raise InputError(f"{shape.architecture} cannot be timed: {plan.reason}.")
    batch = task.sample(shape.length, shape.batch, generator("pace"), Split.TRAIN)
    return assemble(plan, shape.width), batch


def _seconds(model: Model, batch: Batch) -> float:
    start = time.perf_counter()
    train_once(model, batch)
    return time.perf_counter() - start
