"""The engine against a bare PyTorch loop on the same cell: what Lightning and replicas cost."""

from collections.abc import Iterator
from functools import partial

import torch
from torch.nn.utils import clip_grad_norm_

from lagbench import registry
from lagbench.data.streams import training_batches
from lagbench.model.assembly import assemble
from lagbench.spec.pairing import Plan, match
from lagbench.spec.recipe import Recipe
from lagbench.train.cell import Job, train
from lagbench.train.objective import loss
from tests.benchmarks.comparison import Comparison
from tests.benchmarks.operations import training_operations

SETTINGS = (  # architecture, width, length, batch, steps, at most
    ("rnn", 64, 64, 32, 400, 1.05),
    ("lstm", 64, 64, 32, 400, 1.05),
    ("gru", 64, 128, 32, 150, 1.02),
    ("transformer", 32, 64, 32, 150, 1.02),
)


def comparisons() -> Iterator[Comparison]:
    """One replica of several families, each a comparison."""
    for architecture, width, length, batch, steps, target in SETTINGS:
        job = small_job(architecture, width, length, batch, steps)
        yield Comparison(
            name=f"engine, one replica: {architecture} h{width} T{length} B{batch}",
            against="bare PyTorch loop",
            ours=partial(train, job),
            theirs=partial(bare, job),
            target=target,
            share=True,
            flops=training_operations(job),
        )


def bare(job: Job) -> None:
    """The loop that everybody writes: the same model, batches, clipping and optimiser."""
    model = assemble(job.plan, job.width)
    optimiser = torch.optim.AdamW(model.parameters(), lr=job.rates[0], weight_decay=0, fused=True)
    batches = training_batches(job.task, job.length, job.seeds[0], job.recipe.batch_size)
    assert job.recipe.clip is not None
    for _ in range(job.recipe.steps):
        batch = next(batches)
        optimiser.zero_grad(set_to_none=True)
        predicted = model(batch.source, batch.source_mask, batch.target)
        total = loss(predicted, batch.target, batch.target_mask, job.plan.signature.target)
        total.backward()  # type: ignore[no-untyped-call]
        clip_grad_norm_(model.parameters(), job.recipe.clip)
        optimiser.step()


def small_job(
    architecture: str,
    width: int,
    length: int,
    batch: int,
    steps: int,
    task: str = "recall",
    replicas: int = 1,
    validation: int = 1,
) -> Job:
    """A job of so many steps with one evaluation, at their end."""
    named = registry.task(task)
    plan = match(registry.architecture(architecture).value, named.value.signature(length))
    assert isinstance(plan, Plan)
    recipe = Recipe(
        steps=steps,
        batch_size=batch,
        evaluate_every=steps,
        validation_examples=validation,
        stop="never",
    )
    return Job(plan, width, named, length, tuple(range(replicas)), (1e-3,), recipe)
