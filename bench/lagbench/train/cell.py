"""Training a cell: every seed and learning rate of one architecture on one task at one length."""

import logging
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytorch_lightning as lightning
import torch
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from torch.utils.data import DataLoader

from lagbench.contract import Batch, Split, Task
from lagbench.data.splits import fixed_split
from lagbench.data.streams import seeded
from lagbench.device import CPU, trainer_options
from lagbench.model.assembly import Model, assemble
from lagbench.record import Execution, Point
from lagbench.registry import Named
from lagbench.spec.pairing import Plan
from lagbench.spec.recipe import Recipe
from lagbench.train.execution import choose_execution
from lagbench.train.module import MAX_GROUP_SIZE, CellModule, StepGroups, evaluation_batches
from lagbench.train.objective import Scale
from lagbench.train.replicas import Replicas, replicate

logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)


@dataclass(frozen=True)
class Job:
    """A plan at a width on a task at a length, to be trained for each seed and learning rate."""

    plan: Plan
    width: int
    task: Named[Task]
    length: int
    seeds: tuple[int, ...]
    rates: tuple[float, ...]
    recipe: Recipe

    @property
    def pairs(self) -> list[tuple[int, float]]:
        """Seed and learning rate of every replica, in order."""
        return [(seed, rate) for seed in self.seeds for rate in self.rates]

    @property
    def scale(self) -> Scale:
        """The task's metric between chance and optimum."""
        task = self.task.value
        return Scale(task.metric, task.chance(self.length), task.optimum(self.length))

    def split(self, split: Split, cache: Path | None) -> Batch:
        """The fixed validation or test examples."""
        sizes = {
            Split.VALIDATION: self.recipe.validation_examples,
            Split.TEST: self.recipe.test_examples,
        }
        return fixed_split(self.task, self.length, split, sizes[split], cache)


@dataclass(frozen=True)
class Trained:
    """The result of training, with lists in the order of `Job.pairs`."""

    execution: Execution
    execution_reason: str | None  # why the replicas ran in a loop; None: they did not
    curves: list[list[Point]]
    steps: int  # of the cell; a replica whose learning rate was dropped has fewer
    finite: list[bool]  # false: the replica diverged
    rate: float  # the learning rate that is best on validation
    selected: list[int]  # indices of the replicas with this rate
    winners: Replicas  # these, with the weights that were best on validation


def train(
    job: Job,
    cache: Path | None = None,
    device: torch.device = CPU,
    watch: Callable[[dict[int, Point]], None] = lambda _: None,
    execution: Execution | None = None,
    group_size: int | None = None,
) -> Trained:
    """Train all replicas and select the learning rate on validation.

    watch: called after every evaluation with the new points, by replica. execution: None to choose
    it. group_size: the most optimiser steps in a Lightning step, which changes speed only.
    """
    reason = None
    if execution is None:
        count, batch_size = len(job.pairs), job.recipe.batch_size
        execution, reason = choose_execution(job.plan, job.width, count, batch_size, device)
    replicas = replicate([initialised(job, seed) for seed, _ in job.pairs], execution, device)
    module = CellModule(replicas, job.pairs, job.recipe, job.scale, watch).to(device)
    groups = StepGroups(job.task, job.length, job.seeds, job.recipe, group_size or MAX_GROUP_SIZE)
    validation = evaluation_batches(job.split(Split.VALIDATION, cache), len(job.pairs))
    with seeded(device, "training", job.task.name, job.length, *job.seeds):
        _fit(module, groups, validation, device)
    rate = select_rate(job.pairs, module.curves, module.finite)
    selected = [i for i, pair in enumerate(job.pairs) if pair[1] == rate]
    winners = replicas.select(selected, module.best, module.best_buffers)
    return Trained(
        execution, reason, module.curves, module.steps, module.finite, rate, selected, winners
    )


def select_rate(
    pairs: list[tuple[int, float]], curves: list[list[Point]], finite: list[bool]
) -> float:
    """The rate with the fewest diverged seeds, then the best mean score on validation.

    A replica's score is that of its best evaluation. Of equal rates, the smallest is selected.
    """

    def merit(rate: float) -> tuple[int, float, float]:
        rows = [i for i, pair in enumerate(pairs) if pair[1] == rate]
        scores = [max(point.validation_score for point in curves[i]) for i in rows if finite[i]]
        return len(scores), sum(scores) / max(1, len(scores)), -rate

    return max({rate for _, rate in pairs}, key=merit)


def initialised(job: Job, seed: int) -> Model:
    """A new model; all architectures and rates share the random state of its first weights."""
    with seeded(CPU, "initialisation", seed):
        return assemble(job.plan, job.width, job.recipe.feed)


def _fit(
    module: CellModule, groups: StepGroups, validation: list[Batch], device: torch.device
) -> None:
    loader: DataLoader[Batch] = DataLoader(validation, batch_size=None)  # type: ignore[arg-type]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="pytorch_lightning")
        trainer = lightning.Trainer(
            **trainer_options(device),
            max_epochs=1,
            val_check_interval=groups.per_period,
            num_sanity_val_steps=0,
            inference_mode=False,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            plugins=[LightningEnvironment()],  # one process, also where SLURM has started it
        )
        try:
            trainer.fit(module, train_dataloaders=groups, val_dataloaders=loader)
        except SystemExit as end:  # how Lightning passes an interruption on
            if isinstance(end.__context__, KeyboardInterrupt):
                raise end.__context__ from None
            raise
