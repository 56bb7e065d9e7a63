"""Floating-point operations: how many a model's products take, and how fast this machine is."""

import math
from dataclasses import replace
from functools import partial

import torch

from lagbench.data.streams import tensors, training_batches
from lagbench.device import CPU, seconds
from lagbench.model.assembly import assemble
from lagbench.model.operations import operations
from lagbench.train.cell import Job
from lagbench.train.objective import loss

SIZE = 1024  # of the product that the peak is measured with
ROUNDS = 20


def peak() -> float:
    """Operations a second of a large product in single precision: the best of some rounds."""
    a, b = torch.randn(SIZE, SIZE), torch.randn(SIZE, SIZE)
    out = a @ b
    fastest = math.inf
    for _ in range(ROUNDS):
        fastest = min(fastest, seconds(partial(torch.mm, a, b, out=out), CPU))
    return 2 * SIZE**3 / fastest


def training_operations(job: Job) -> float:
    """Of all training steps of all replicas of a job: forward and backward passes."""
    batch = next(training_batches(job.task, job.length, job.seeds[0], job.recipe.batch_size))
    batch = replace(batch, **{name: value.to("meta") for name, value in tensors(batch).items()})
    with torch.device("meta"):
        model = assemble(job.plan, job.width)

    def step() -> None:
        predicted = model(batch.source, batch.source_mask, batch.target)
        total = loss(predicted, batch.target, batch.target_mask, job.plan.signature.target)
        total.backward()  # type: ignore[no-untyped-call]

    return operations(step) * job.recipe.steps * len(job.pairs)
