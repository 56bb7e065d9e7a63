"""Small jobs, cheap enough to be trained in a test."""

from collections.abc import Callable

import pytest

from lagbench import registry
from lagbench.spec.pairing import Plan, match
from lagbench.spec.recipe import Recipe
from lagbench.train.cell import Job


@pytest.fixture
def job() -> Callable[..., Job]:
    """Make a job from names: `job("gru", "recall", width=8, steps=20)`."""

    def make(
        architecture: str,
        task: str = "recall",
        length: int = 8,
        width: int = 8,
        seeds: tuple[int, ...] = (0, 1),
        rates: tuple[float, ...] = (1e-3, 1e-2),
        **recipe: object,
    ) -> Job:
        named = registry.task(task)
        plan = match(registry.architecture(architecture).value, named.value.signature(length))
        assert isinstance(plan, Plan)
        small = {
            "steps": 20,
            "batch_size": 4,
            "evaluate_every": 10,
            "validation_examples": 16,
            "test_examples": 16,
            "stop": "never",
        }
        return Job(plan, width, named, length, seeds, rates, Recipe(**{**small, **recipe}))

    return make
