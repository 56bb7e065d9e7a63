"""The Lightning module that trains the replicas of one cell.

A Lightning step costs as much as a small model's whole training step. So one Lightning step here is
a chunk of optimiser steps, under manual optimisation, and nothing is read back to the host within a
chunk. The size of a chunk changes nothing but speed.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice, pairwise

import pytorch_lightning as lightning
import torch

from lagbench.contract import Batch, Metric, Task
from lagbench.data.streams import select, stack, to_device, training_batches
from lagbench.record import Point
from lagbench.registry import Named
from lagbench.spec.recipe import Recipe
from lagbench.train.objective import ReplicaScore
from lagbench.train.optimiser import ReplicaAdamW
from lagbench.train.replicas import Replicas

CHUNK = 32  # at most so many optimiser steps in one Lightning step
EVALUATED_AT_ONCE = 2**16  # source steps, over all replicas, in one batch of an evaluation


@dataclass(frozen=True)
class Scale:
    """What a task's metric runs between at one length."""

    metric: Metric
    chance: float
    optimum: float

    def score(self, value: float) -> float:
        """0 is chance, 1 is the optimum."""
        return (value - self.chance) / (self.optimum - self.chance)


class StepGroups:
    """Training batches of several seeds in chunks: lists of batches `(S, B, …)`.

    Every period between two evaluations is cut into equally many chunks, so that Lightning's
    evaluation interval, which counts chunks, always falls on an evaluation.
    """

    def __init__(
        self, task: Named[Task], length: int, seeds: tuple[int, ...], recipe: Recipe, chunk: int
    ) -> None:
        self.task, self.length, self.seeds, self.recipe = task, length, seeds, recipe
        self.in_period = math.ceil(min(recipe.evaluate_every, recipe.steps) / chunk)
        self.periods = math.ceil(recipe.steps / recipe.evaluate_every)

    def __len__(self) -> int:
        return self.in_period * self.periods

    def __iter__(self) -> Iterator[list[Batch]]:
        size = self.recipe.batch_size
        streams = [training_batches(self.task, self.length, seed, size) for seed in self.seeds]
        steps = (stack(list(batches)) for batches in zip(*streams, strict=True))
        return (list(islice(steps, count)) for count in self.sizes())

    def sizes(self) -> Iterator[int]:
        """How many optimiser steps each chunk has; together, all steps of the recipe."""
        every = self.recipe.evaluate_every
        for start in range(0, self.recipe.steps, every):
            period = min(every, self.recipe.steps - start)
            cuts = [period * part // self.in_period for part in range(self.in_period + 1)]
            yield from (end - begin for begin, end in pairwise(cuts))


class CellModule(lightning.LightningModule):
    """Replicas, trained one optimiser step on all of them at a time, and their learning curves."""

    def __init__(
        self,
        replicas: Replicas,
        pairs: list[tuple[int, float]],
        recipe: Recipe,
        scale: Scale,
        watch: Callable[[dict[int, Point]], None],
    ) -> None:
        """Prepare to train.

        pairs: seed and learning rate of every replica; seeds in the order of the batches'.
        watch: called after every evaluation with the new point of every replica that trains.
        """
        super().__init__()
        self.automatic_optimization = False
        self.replicas, self.pairs, self.recipe, self.scale = replicas, pairs, recipe, scale
        self.watch = watch
        device = replicas.flat.device
        seeds = list(dict.fromkeys(seed for seed, _ in pairs))
        self.rows = torch.tensor([seeds.index(seed) for seed, _ in pairs], device=device)
        rates = torch.tensor([rate for _, rate in pairs], device=device)
        self.optimiser = ReplicaAdamW(
            replicas.flat, rates, recipe.betas, recipe.weight_decay, recipe.clip
        )
        self.score = ReplicaScore(len(replicas), replicas.space, scale.metric)
        self.live = list(range(len(pairs)))  # the replicas that still train, by place in `pairs`
        self.finite = [True] * len(pairs)
        self.curves: list[list[Point]] = [[] for _ in pairs]
        self.best = replicas.flat.detach().clone()
        self.best_buffers = [replicas.copy_buffers(row) for row in range(len(replicas))]
        self.loss_sum = torch.zeros(len(replicas), device=device)
        self.steps = 0

    def configure_optimizers(self) -> ReplicaAdamW:
        """The one optimiser, on the stack."""
        return self.optimiser

    def transfer_batch_to_device(
        self, batch: list[Batch] | Batch, device: torch.device, dataloader_idx: int
    ) -> list[Batch] | Batch:
        """Move a chunk, or an evaluation batch."""
        if isinstance(batch, Batch):
            return to_device(batch, device)
        return [to_device(one, device) for one in batch]

    def training_step(self, chunk: list[Batch], index: int) -> None:
        """Train all replicas on each batch of the chunk."""
        for batches in chunk:
            self.loss_sum += self.replicas.backward(batches, self.rows)
            self.optimiser.factor = self.recipe.rate_factor(self.steps)
            self.optimiser.step()
            self.steps += 1

    def validation_step(self, batch: Batch, index: int) -> None:
        """Score all replicas on a batch, teacher forced."""
        self.score.update(
            self.replicas.predict(batch, teacher_forced=True), batch.target, batch.target_mask
        )

    def on_validation_epoch_end(self) -> None:
        """Add a point to every curve; keep the best weights; drop and stop what the recipe says."""
        before = self.curves[self.live[0]][-1].step if self.curves[self.live[0]] else 0
        points = dict(zip(self.live, self._points(self.steps - before), strict=True))
        for row, (replica, point) in enumerate(points.items()):
            if point.validation_score > self.best_score(replica):
                self.best[replica] = self.replicas.flat.detach()[row]
                self.best_buffers[replica] = self.replicas.copy_buffers(row)
            self.curves[replica].append(point)
            self.finite[replica] = bool(self.optimiser.finite[row])
        self.score.reset()
        self.watch(points)
        solved = self.recipe.stop == "solved" and self.solved()
        if solved or not self.optimiser.finite.any():
            self.trainer.should_stop = True
        elif self.recipe.drops_at(before, self.steps):
            self._drop()

    def best_score(self, replica: int) -> float:
        """The best score of a replica on validation so far."""
        scores = (point.validation_score for point in self.curves[replica])
        return max(scores, default=-math.inf)

    def mean_scores(self) -> dict[float, float]:
        """The mean over seeds of the best scores so far, by learning rate."""
        by_rate: dict[float, list[float]] = {}
        for replica, (_, rate) in enumerate(self.pairs):
            by_rate.setdefault(rate, []).append(self.best_score(replica))
        return {rate: sum(scores) / len(scores) for rate, scores in by_rate.items()}

    def solved(self) -> bool:
        """Whether one learning rate has solved the task with every seed."""
        reached = [self.best_score(i) >= self.recipe.solved_at for i in range(len(self.pairs))]
        rates = {rate for _, rate in self.pairs}
        return any(
            all(done for done, (_, own) in zip(reached, self.pairs, strict=True) if own == rate)
            for rate in rates
        )

    def _drop(self) -> None:
        """Train on without the learning rates that are too far behind."""
        means = self.mean_scores()
        assert self.recipe.drop_behind is not None
        least = max(means.values()) - self.recipe.drop_behind
        keep = [row for row, i in enumerate(self.live) if means[self.pairs[i][1]] >= least]
        if len(keep) == len(self.live):
            return
        self.replicas = self.replicas.select(keep, self.replicas.flat.detach())
        self.optimiser = self.optimiser.select(keep, self.replicas.flat)
        self.rows, self.loss_sum = self.rows[keep], self.loss_sum[keep]
        self.live = [self.live[row] for row in keep]
        score = ReplicaScore(len(keep), self.replicas.space, self.scale.metric)
        self.score = score.to(self.replicas.flat.device)

    def _points(self, period: int) -> list[Point]:
        evaluation = self.score.evaluation()
        norms, clipped = self.optimiser.restart_counts()
        losses = self.loss_sum.tolist()
        self.loss_sum.zero_()
        return [
            Point(
                step=self.steps,
                examples=self.steps * self.recipe.batch_size,
                train_loss=losses[row] / period,
                validation_loss=evaluation.loss[row].item(),
                validation_metric=evaluation.metric[row].item(),
                validation_score=self.scale.score(evaluation.metric[row].item()),
                gradient_norm=norms[row].item() / period,
                clip_fraction=clipped[row].item() / period,
            )
            for row in range(len(self.replicas))
        ]


def evaluation_batches(split: Batch, replicas: int) -> list[Batch]:
    """Cut a split into batches that all replicas together can hold."""
    examples, steps = split.source.shape[:2]
    size = max(1, EVALUATED_AT_ONCE // (replicas * max(steps, split.target.shape[1])))
    return [select(split, slice(start, start + size)) for start in range(0, examples, size)]
