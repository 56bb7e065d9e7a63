"""Throughput of an untrained model beside a reference, in a process that does nothing else."""

import time
from collections.abc import Callable
from statistics import median

import torch
from torch import Tensor, nn

from bench.contract import Batch, Split
from bench.model.assembly import Model, assemble
from bench.record import Throughput
from bench.train.cell import Job
from bench.train.data import generator
from bench.train.objective import loss

REFERENCE = "one torch.nn.LSTM layer, 64 inputs and 64 units, on the same steps and batch"
WARM_UP = 2
ROUNDS = 5
SECONDS = 0.3  # for each of the four measurements, beyond the first round


def throughput(job: Job, names: tuple[str, str], device_name: str) -> Throughput:
    """Tokens per second in training (forward and backward) and in inference.

    Tokens are the source and target steps that the model reads. Model and reference are timed in
    turn, after a warm-up; medians are given, and their ratios, which survive another machine.
    names: the architecture's and the task's, for the record.
    """
    model = assemble(job.plan, job.width)
    size = job.recipe.batch_size
    batch = job.task.value.sample(job.length, size, generator("throughput"), Split.TRAIN)
    read = job.plan.signature.steps + (job.plan.signature.target_steps if _writes(model) else 0)
    reference = nn.LSTM(64, 64, batch_first=True)
    x = torch.randn(size, read, 64)
    timings = _in_turn(
        lambda: train_once(model, batch),
        lambda: _infer(model, batch),
        lambda: _backward(reference(x)[0].square().mean(), reference),
        lambda: _without_gradient(lambda: reference(x)[0]),
    )
    train, inference, train_reference, inference_reference = timings
    return Throughput(
        architecture=names[0],
        task=names[1],
        length=job.length,
        batch=size,
        tokens_per_example=read,
        train_tokens_per_second=size * read / train,
        inference_tokens_per_second=size * read / inference,
        train_relative=train_reference / train,
        inference_relative=inference_reference / inference,
        device=device_name,
    )


def _writes(model: Model) -> bool:
    return hasattr(model, "embed_target")


def train_once(model: Model, batch: Batch) -> None:
    """One forward and one backward pass, without an update."""
    predicted = model(batch.source, batch.source_mask, batch.target)
    _backward(loss(predicted, batch.target, batch.target_mask, model.signature.target), model)


def _infer(model: Model, batch: Batch) -> None:
    _without_gradient(lambda: model(batch.source, batch.source_mask, batch.target))


def _backward(total: Tensor, module: nn.Module) -> None:
    torch.autograd.grad(total, list(module.parameters()), allow_unused=True)


def _without_gradient(call: Callable[[], object]) -> None:
    with torch.no_grad():
        call()


def _in_turn(*calls: Callable[[], None]) -> list[float]:
    """The median seconds of each call, all timed in turn in every round."""
    for call in calls * WARM_UP:
        call()
    times: list[list[float]] = [[] for _ in calls]
    begun = time.perf_counter()
    while len(times[0]) < ROUNDS or time.perf_counter() - begun < SECONDS:
        for call, own in zip(calls, times, strict=True):
            start = time.perf_counter()
            call()
            own.append(time.perf_counter() - start)
        if time.perf_counter() - begun > 10 * SECONDS and len(times[0]) >= 2:
            break
    return [median(own) for own in times]
