"""Identity: what a cell and its trials are, and the keys that name them.

A trial's key hashes all that decides it. That includes its neighbours in the cell: the learning
rate is selected among them, and a cell stops when one of its rates has solved the task.
"""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from bench.contract import Architecture, Task
from bench.model.budget import Budget
from bench.registry import Named
from bench.train.recipe import Recipe

SCHEME = 2  # moves when the engine would give other numbers for the same cell


@dataclass(frozen=True)
class Cell:
    """The trials of one architecture on one task at one length: the unit of work."""

    architecture: Named[Architecture]
    task: Named[Task]
    length: int
    seeds: tuple[int, ...]
    rates: tuple[float, ...]
    recipe: Recipe
    budget: Budget

    @property
    def place(self) -> tuple[str, str, int]:
        """Where the cell stands in a table."""
        return self.architecture.name, self.task.name, self.length

    @property
    def pairs(self) -> list[tuple[int, float]]:
        """Seed and learning rate of every trial, in order."""
        return [(seed, rate) for seed in self.seeds for rate in self.rates]

    @property
    def cost(self) -> float:
        """About how long it takes, beside other cells: training steps read, over all trials."""
        return float(self.length * self.recipe.batch_size * self.recipe.steps * len(self.pairs))

    @property
    def key(self) -> str:
        """The hash of all that decides the cell."""
        return _hash(self._identity)

    def trial_key(self, seed: int, rate: float) -> str:
        """The hash of all that decides one of its trials."""
        return _hash({"cell": self._identity, "seed": seed, "rate": rate})

    @cached_property
    def _identity(self) -> dict[str, Any]:
        task = self.task.value
        return {
            "scheme": SCHEME,
            "architecture": [self.architecture.preset, self.architecture.fields],
            "task": [self.task.preset, self.task.fields, task.version, task.fingerprint()],
            "length": self.length,
            "seeds": self.seeds,
            "rates": self.rates,
            "recipe": self.recipe.model_dump(mode="json", exclude={"keep"}),
            "budget": self.budget.stated,
        }


def _hash(identity: dict[str, Any]) -> str:
    text = json.dumps(identity, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:20]
