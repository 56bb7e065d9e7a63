"""What drawing training batches costs beside training on them: every task, short and long."""

from collections.abc import Iterator
from functools import partial

import torch

from lagbench import registry
from lagbench.contract import Task, UserError
from lagbench.data.streams import block_batches, select, stack, training_batches
from lagbench.kernels.library import without_kernels
from lagbench.model.assembly import assemble
from lagbench.registry import Named
from lagbench.spec.pairing import Plan, match
from lagbench.train.objective import loss
from tests.benchmarks.comparison import Comparison

REFERENCE, WIDTH = "lstm", 64
BATCH = 64
LENGTHS = (64, 1024)  # or the nearest that a task allows
AT_MOST = 0.025


def comparisons() -> Iterator[Comparison]:
    """Every task's batches, drawn as the engine draws them, against a step of the reference."""
    for name in registry.tasks():
        task = registry.task(name)
        for length in sorted({nearest(task.value, wanted) for wanted in LENGTHS}):
            size = block_batches(task.value.signature(length), BATCH)
            yield Comparison(
                name=f"sampling, {name} T{length} B{BATCH}",
                against=f"training step of PyTorch's {REFERENCE} h{WIDTH}",
                ours=partial(next, drawing(task, length, size)),
                theirs=partial(next, training(task, length)),
                target=AT_MOST,
                share=True,
                repeats=size,
            )


def nearest(task: Task, wanted: int) -> int:
    """The length nearest to the wanted one that the task allows; of two as near, the longer."""
    for distance in range(wanted):
        for length in (wanted + distance, wanted - distance):
            try:
                task.signature(length)
            except UserError:
                continue
            return length
    raise UserError(f"The task has no length near {wanted}.")


def drawing(task: Named[Task], length: int, batches: int) -> Iterator[None]:
    """Draw so many batches of a training stream, again and again."""
    stream = training_batches(task, length, 0, BATCH)
    while True:
        for _ in range(batches):
            next(stream)
        yield


def training(task: Named[Task], length: int) -> Iterator[None]:
    """Forward and backward pass and AdamW of the reference on a batch of the task's shapes.

    The LSTM is PyTorch's own, a measure that stays the same where ours becomes faster.
    """
    plan = match(registry.architecture(REFERENCE).value, task.value.signature(length))
    assert isinstance(plan, Plan)
    model = assemble(plan, WIDTH)
    optimiser = torch.optim.AdamW(model.parameters(), fused=True)
    batch = select(stack([next(training_batches(task, length, 0, BATCH))]), 0)
    while True:
        with without_kernels():
            optimiser.zero_grad(set_to_none=True)
            predicted = model(batch.source, batch.source_mask, batch.target)
            total = loss(predicted, batch.target, batch.target_mask, plan.signature.target)
            total.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        yield
