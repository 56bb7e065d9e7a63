"""Identity: what a cell and its trials are, and the keys that name them.

A trial's key hashes all that decides it. That includes its neighbours in the cell: the learning
rate is selected among them, and a cell stops when one of its rates has solved the task.

A cell that has seeds for tuning trains these at every learning rate first, and then its own seeds,
which had no say in the choice, at the rate that was chosen.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any

from lagbench import registry
from lagbench.contract import Architecture, Task
from lagbench.record import CellId
from lagbench.registry import Named
from lagbench.spec.budget import Budget
from lagbench.spec.recipe import Recipe

ENGINE_VERSION = 3  # increases whenever the engine would give other numbers for the same cell

CellNames = tuple[
    str, str, int, tuple[int, ...], tuple[float, ...], Recipe, Budget, tuple[int, ...]
]
"""A cell with its architecture and task by name: what `Cell.from_names` takes."""


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
    tuning_seeds: tuple[int, ...] = ()
    """Seeds that choose the learning rate for the others; none: `seeds` choose it themselves."""

    @classmethod
    def from_names(
        cls,
        architecture: str,
        task: str,
        length: int,
        seeds: tuple[int, ...],
        rates: tuple[float, ...],
        recipe: Recipe,
        budget: Budget,
        tuning_seeds: tuple[int, ...] = (),
    ) -> "Cell":
        """The cell of a registered architecture and task, both with their changed fields."""
        named = registry.architecture(architecture), registry.task(task)
        return cls(*named, length, seeds, rates, recipe, budget, tuning_seeds)

    @property
    def names(self) -> CellNames:
        """The arguments of `from_names`."""
        named = self.architecture.name, self.task.name
        return (
            *named, self.length, self.seeds, self.rates, self.recipe, self.budget,
            self.tuning_seeds,
        )  # fmt: skip

    def __reduce__(self) -> tuple[Callable[..., "Cell"], CellNames]:
        """Pickle by names: another process has the architecture and the task registered."""
        return type(self).from_names, self.names

    @property
    def cell_id(self) -> CellId:
        """Architecture, task and length."""
        return self.architecture.name, self.task.name, self.length

    @property
    def pairs(self) -> list[tuple[int, float | None]]:
        """Seed and learning rate of every trial, in order; None: the rate that tuning chooses."""
        if not self.tuning_seeds:
            return list(product(self.seeds, self.rates))
        return [*product(self.tuning_seeds, self.rates), *((seed, None) for seed in self.seeds)]

    @property
    def cost(self) -> float:
        """About how long it takes, beside other cells: training steps read, over all trials."""
        return float(self.length * self.recipe.batch_size * self.recipe.steps * len(self.pairs))

    def share(self, trial: int, step: int) -> float:
        """How much of the cell is done when a trial, by its place in `pairs`, is at a step."""
        tuned, total = len(self.tuning_seeds) * len(self.rates), len(self.pairs)
        done, stage = (0, tuned) if trial < tuned else (tuned, total - tuned)
        return (done + stage * step / self.recipe.steps) / total

    @property
    def key(self) -> str:
        """The hash of all that decides the cell."""
        return _hash(self._identity)

    def trial_key(self, seed: int, rate: float | None) -> str:
        """The hash of all that decides one of its trials."""
        return _hash({"cell": self._identity, "seed": seed, "rate": rate})

    @cached_property
    def _identity(self) -> dict[str, Any]:
        task = self.task.value
        return {
            "scheme": ENGINE_VERSION,
            "architecture": [self.architecture.preset, self.architecture.fields],
            "task": [self.task.preset, self.task.fields, task.version, task.fingerprint()],
            "length": self.length,
            "seeds": self.seeds,
            "tuning_seeds": self.tuning_seeds,
            "rates": self.rates,
            "recipe": self.recipe.model_dump(mode="json", exclude={"keep"}),
            "budget": self.budget.stated,
        }


def _hash(identity: dict[str, Any]) -> str:
    text = json.dumps(identity, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:20]
