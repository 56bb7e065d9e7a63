"""What a probe is given, and what it gives back."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from torch import Tensor

from lagbench.contract import Batch
from lagbench.data.streams import select, tensors, to_device
from lagbench.model.assembly import Model
from lagbench.record import AttentionMap, ProbeValue
from lagbench.train.cell import Job, initialised
from lagbench.train.evaluation import in_evaluation, unstack
from lagbench.train.replicas import Replicas

SHARE = 0.1  # of what training has cost: what all probes together may cost
TRAINING = 3  # forward passes that training on an example costs, the backward pass included
DEEPER = 8  # times as many examples, or steps as far away, where a probe looks deep


@dataclass(frozen=True)
class ProbeContext:
    """Trained replicas of one job, and what they were tested on.

    replicas: of the selected learning rate; seeds: of each of them.
    test: the test split, on the CPU. answers: symbols `(R, N, U)` or values `(R, N, U, W)`.
    updates: optimiser steps of all replicas of the cell together, unselected ones included.
    deep: whether to look at `DEEPER` times as much, and gradients at every lag, whatever it costs.
    """

    job: Job
    seeds: tuple[int, ...]
    replicas: Replicas
    test: Batch
    answers: Tensor
    updates: int
    deep: bool = False

    def example_budget(self, share: float, passes: float, least: int, most: int) -> int:
        """How many examples a probe may look at: a number that follows from how long was trained.

        A stopwatch would give another number on another day. share: of `SHARE`, which is the
        probe's. passes: what one example costs each replica, in passes forward at the trained
        length. `least` is looked at in any case, and `most` is enough.
        """
        if self.deep:
            return DEEPER * most
        trained = self.updates * self.job.recipe.batch_size / len(self.replicas)
        return min(most, max(least, int(share * SHARE * TRAINING * trained / passes)))

    @cached_property
    def models(self) -> list[Model]:
        """Each replica as a model by itself, in double precision: small gradients underflow."""
        return [in_evaluation(model.double()) for model in unstack(self.replicas)]

    @property
    def untrained(self) -> list[Model]:
        """The same models as they were before training."""
        device = self.replicas.flat.device
        return [
            in_evaluation(initialised(self.job, seed).to(device).double()) for seed in self.seeds
        ]

    def examples(self, count: int) -> Batch:
        """The first examples of the test split, where the replicas are, in their precision."""
        return to_device(select(self.test, slice(count)), self.replicas.flat.device)


def in_double(batch: Batch) -> Batch:
    """The batch with its values, but not its symbols, in double precision."""
    values = {name: v.double() for name, v in tensors(batch).items() if v.is_floating_point()}
    return replace(batch, **values)


@dataclass(frozen=True)
class ProbeResult:
    """What a probe found of one replica: a curve, and what else of its record it fills."""

    values: list[ProbeValue]
    numbers: Mapping[str, float] = field(default_factory=dict)
    maps: tuple[AttentionMap, ...] = ()


@dataclass(frozen=True)
class NotMeasurable:
    """Why a probe measures nothing here, as a clause for a person."""

    reason: str


@dataclass(frozen=True)
class Probe:
    """A measurement on trained models, under the name of its curve."""

    name: str
    measure: Callable[[ProbeContext], list[ProbeResult] | NotMeasurable]
    """One finding for each replica, or why there is none."""
    numbers: tuple[str, ...] = ()
    """The fields of a record that its results may fill."""


def curve(name: str, lags: list[int], values: Tensor, counts: Tensor) -> list[ProbeValue]:
    """A value at each lag that anything was counted at; values and counts are `(len(lags),)`."""
    rows = zip(lags, values.tolist(), counts.tolist(), strict=True)
    return [
        ProbeValue(probe=name, x=lag, value=value, count=count)
        for lag, value, count in rows
        if count
    ]
