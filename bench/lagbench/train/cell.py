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
from lagbench.train.module import CHUNK, CellModule, Scale, StepGroups, evaluation_batches
from lagbench.train.replicas import Replicas, replicate

logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)


@dataclass(frozen=True)
class Job:
    """What there is to train: a plan at a width on a task at a length, once for each pair."""

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
        """What the task's metric runs between."""
        task = self.task.value
        return Scale(task.metric, task.chance(self.length), task.optimum(self.length))

    def split(self, split: Split, cache: Path | None) -> Batch:
        """The fixed validation or test examples."""
        wanted = {
            Split.VALIDATION: self.recipe.validation_examples,
            Split.TEST: self.recipe.test_examples,
        }
        return fixed_split(self.task, self.length, split, wanted[split], cache)


@dataclass(frozen=True)
class Trained:
    """What training gave, replica by replica in the order of `Job.pairs`."""

    execution: Execution
    execution_reason: str | None  # why the replicas ran in a loop; None: they did not
    curves: list[list[Point]]
    steps: int  # of the cell; a replica whose learning rate was dropped has fewer
    finite: list[bool]  # false: the replica diverged
    rate: float  # the learning rate that won on validation
    selected: list[int]  # the replicas at that rate
    winners: Replicas  # these, with their weights that were best on validation


def train(
    job: Job,
    cache: Path | None = None,
    device: torch.device | None = None,
    watch: Callable[[dict[int, Point]], None] = lambda _: None,
    execution: Execution | None = None,
    chunk: int | None = None,
) -> Trained:
    """Train all replicas and choose the learning rate on validation.

    watch: called after every evaluation with the new points, by replica. execution: None lets the
    rule choose. chunk: optimiser steps in a Lightning step, which changes speed alone; None: the
    usual.
    """
    device = device or CPU
    reason = None
    if execution is None:
        count, batch_size = len(job.pairs), job.recipe.batch_size
        execution, reason = choose_execution(job.plan, job.width, count, batch_size, device)
    replicas = replicate([initialised(job, seed) for seed, _ in job.pairs], execution, device)
    module = CellModule(replicas, job.pairs, job.recipe, job.scale, watch).to(device)
    with seeded(device, "training", job.task.name, job.length, *job.seeds):
        _fit(module, job, cache, device, chunk or CHUNK)
    finite = module.finite
    rate = selected_rate(job.pairs, module.curves, finite)
    selected = [i for i, (_, own) in enumerate(job.pairs) if own == rate]
    winners = replicas.select(selected, module.best, module.best_buffers)
    return Trained(execution, reason, module.curves, module.steps, finite, rate, selected, winners)


def selected_rate(
    pairs: list[tuple[int, float]], curves: list[list[Point]], finite: list[bool]
) -> float:
    """The rate with the fewest diverged seeds, then the best mean score on validation.

    Each replica counts with its best evaluation. Of equal rates, the smaller is taken.
    """

    def merit(rate: float) -> tuple[int, float, float]:
        own = [i for i, pair in enumerate(pairs) if pair[1] == rate]
        alive = [max(point.validation_score for point in curves[i]) for i in own if finite[i]]
        return len(alive), sum(alive) / max(1, len(alive)), -rate

    return max({rate for _, rate in pairs}, key=merit)


def initialised(job: Job, seed: int) -> Model:
    """The model of a seed: all architectures and rates share the seed of its first weights."""
    with seeded(CPU, "initialisation", seed):
        return assemble(job.plan, job.width, job.recipe.feed)


def _fit(
    module: CellModule, job: Job, cache: Path | None, device: torch.device, chunk: int
) -> None:
    chunks = StepGroups(job.task, job.length, job.seeds, job.recipe, chunk)
    batches = evaluation_batches(job.split(Split.VALIDATION, cache), len(job.pairs))
    validation: DataLoader[Batch] = DataLoader(batches, batch_size=None)  # type: ignore[arg-type]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="pytorch_lightning")
        trainer = lightning.Trainer(
            **trainer_options(device),
            max_epochs=1,
            val_check_interval=chunks.in_period,
            num_sanity_val_steps=0,
            inference_mode=False,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            plugins=[LightningEnvironment()],  # one process, also where SLURM has started it
        )
        try:
            trainer.fit(module, train_dataloaders=chunks, val_dataloaders=validation)
        except SystemExit as end:  # how Lightning passes an interruption on
            if isinstance(end.__context__, KeyboardInterrupt):
                raise end.__context__ from None
            raise
