"""Every pair that has a plan trains: finite losses, and a gradient for every parameter."""

from functools import cache

import pytest
import torch

from lagbench import registry
from lagbench.check.task import possible
from lagbench.contract import Batch, Split, Task
from lagbench.model.assembly import assemble
from lagbench.spec.pairing import Plan, match
from lagbench.train.objective import loss

BATCH, WIDTH, STEPS = 8, 16, 2
ARCHITECTURES, TASKS = dict(registry.architectures()), dict(registry.tasks())


def length_of(task: Task) -> int:
    """The shortest from 4 on that is possible below the usual ones, or else the first of these."""
    usual = task.lengths[0]
    return next((length for length in range(4, usual) if possible(task, length)), usual)


PLANS = {
    (architecture, task): plan
    for task, signature in ((name, task.signature(length_of(task))) for name, task in TASKS.items())
    for architecture, value in ARCHITECTURES.items()
    if isinstance(plan := match(value, signature), Plan)
}


@cache
def batch_of(name: str) -> Batch:
    task = TASKS[name]
    return task.sample(length_of(task), BATCH, torch.Generator().manual_seed(1), Split.TRAIN)


def idle(plan: Plan, parameter: str) -> bool:
    """Whether a plan gives a parameter nothing to do.

    A source of one step leaves nothing to carry from step to step, or to choose from by attention.
    """
    return parameter.startswith("core.") and plan.signature.steps == 1


@pytest.mark.parametrize(("architecture", "task"), PLANS)
def test_every_pair_trains(architecture: str, task: str) -> None:
    plan, batch = PLANS[architecture, task], batch_of(task)
    multiple = plan.architecture.width_multiple
    torch.manual_seed(1)
    model = assemble(plan, multiple * -(-WIDTH // multiple))
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    for _ in range(STEPS):
        optimiser.zero_grad()
        predicted = model(batch.source, batch.source_mask, batch.target)
        reached = loss(predicted, batch.target, batch.target_mask, plan.signature.target)
        reached.backward()
        assert reached.isfinite()
        sizes = {
            name: 0.0 if parameter.grad is None else parameter.grad.abs().max().item()
            for name, parameter in model.named_parameters()
        }
        assert all(size < float("inf") for size in sizes.values())
        assert [name for name, size in sizes.items() if not size and not idle(plan, name)] == []
        optimiser.step()


def test_every_name_runs_with_some_other() -> None:
    architectures, tasks = map(set, zip(*PLANS, strict=True))
    assert architectures == set(ARCHITECTURES)
    assert tasks == set(TASKS)


def test_what_is_idle_in_one_plan_works_in_another() -> None:
    for name in ARCHITECTURES:
        plans = [plan for (architecture, _), plan in PLANS.items() if architecture == name]
        assert not all(idle(plan, "core.any") for plan in plans), name
