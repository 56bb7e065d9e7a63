"""The Lightning module that trains the replicas of a cell.

A Lightning step costs as much as a small model's training step. So one Lightning step here is a
group of optimiser steps, under manual optimisation, and nothing is read back to the host within a
group. The size of a group changes nothing but speed.
"""

import math
from collections.abc import Callable, Iterator
from itertools import islice, pairwise

import pytorch_lightning as lightning
import torch

from lagbench.contract import Batch, Task
from lagbench.data.streams import select, stack, to_device, training_batches
from lagbench.record import Point
from lagbench.registry import Named
from lagbench.spec.recipe import Recipe
from lagbench.train.objective import ReplicaScore, Scale
from lagbench.train.optimiser import ReplicaAdamW
from lagbench.train.replicas import Replicas

MAX_GROUP_SIZE = 32  # optimiser steps in one Lightning step
MAX_EVALUATION_STEPS = 2**16  # source or target steps of all replicas in one evaluation batch


class StepGroups:
    """Training batches of several seeds in groups: lists of batches `(S, B, …)`.

    Every period between two evaluations is cut into equally many groups, so that Lightning's
    evaluation interval, which counts groups, always falls on an evaluation.
    """

    def __init__(
        self, task: Named[Task], length: int, seeds: tuple[int, ...], recipe: Recipe, max_size: int
    ) -> None:
        self.task, self.length, self.seeds, self.recipe = task, length, seeds, recipe
        self.per_period = math.ceil(min(recipe.evaluate_every, recipe.steps) / max_size)
        self.periods = math.ceil(recipe.steps / recipe.evaluate_every)

    def __len__(self) -> int:
        return self.per_period * self.periods

    def __iter__(self) -> Iterator[list[Batch]]:
        size = self.recipe.batch_size
        streams = [training_batches(self.task, self.length, seed, size) for seed in self.seeds]
        steps = (stack(list(batches)) for batches in zip(*streams, strict=True))
        return (list(islice(steps, count)) for count in self.sizes())

    def sizes(self) -> Iterator[int]:
        """The number of optimiser steps of each group; together, all steps of the recipe."""
        every = self.recipe.evaluate_every
        for start in range(0, self.recipe.steps, every):
            period = min(every, self.recipe.steps - start)
            cuts = [period * part // self.per_period for part in range(self.per_period + 1)]
            yield from (end - begin for begin, end in pairwise(cuts))


class CellModule(lightning.LightningModule):
    """Trains replicas by one optimiser step on all of them at a time, and keeps learning curves."""

    def __init__(
        self,
        replicas: Replicas,
        pairs: list[tuple[int, float]],
        recipe: Recipe,
        scale: Scale,
        watch: Callable[[dict[int, Point]], None],
    ) -> None:
        """pairs: seed and learning rate of every replica; seeds in the order of the batches'.

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
        self.live = list(range(len(pairs)))  # indices of the replicas that still train
        self.finite = [True] * len(pairs)
        self.curves: list[list[Point]] = [[] for _ in pairs]
        self.best = replicas.flat.detach().clone()
        self.best_buffers = [replicas.copy_buffers(row) for row in range(len(replicas))]
        self.loss_sum = torch.zeros(len(replicas), device=device)
        self.steps = 0

    def configure_optimizers(self) -> ReplicaAdamW:
        return self.optimiser

    def transfer_batch_to_device(
        self, batch: list[Batch] | Batch, device: torch.device, dataloader_idx: int
    ) -> list[Batch] | Batch:
        """Move a group of training batches, or an evaluation batch."""
        if isinstance(batch, Batch):
            return to_device(batch, device)
        return [to_device(step, device) for step in batch]

    def training_step(self, group: list[Batch], index: int) -> None:
        for batches in group:
            self.loss_sum += self.replicas.backward(batches, self.rows)
            self.optimiser.factor = self.recipe.rate_factor(self.steps)
            self.optimiser.step()
            self.steps += 1

    def validation_step(self, batch: Batch, index: int) -> None:
        predicted = self.replicas.predict(batch, teacher_forced=True)
        self.score.update(predicted, batch.target, batch.target_mask)

    def on_validation_epoch_end(self) -> None:
        """Add a point to every curve; keep the best weights; drop and stop as the recipe says."""
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
        if (self.recipe.stop == "solved" and self.solved()) or not self.optimiser.finite.any():
            self.trainer.should_stop = True
        elif self.recipe.drops_at(before, self.steps):
            self._drop_behind()

    def best_score(self, replica: int) -> float:
        """The best score of a replica on validation so far."""
        scores = (point.validation_score for point in self.curves[replica])
        return max(scores, default=-math.inf)

    def best_scores(self) -> dict[float, list[float]]:
        """The best scores so far, one for each seed, by learning rate."""
        scores: dict[float, list[float]] = {}
        for replica, (_, rate) in enumerate(self.pairs):
            scores.setdefault(rate, []).append(self.best_score(replica))
        return scores

    def solved(self) -> bool:
        """Whether one learning rate has solved the task with every seed."""
        scores = self.best_scores().values()
        return any(all(score >= self.recipe.solved_at for score in seeds) for seeds in scores)

    def _drop_behind(self) -> None:
        """Stop training learning rates whose mean score is too far behind the best."""
        means = {rate: sum(seeds) / len(seeds) for rate, seeds in self.best_scores().items()}
        assert self.recipe.drop_behind is not None
        lowest = max(means.values()) - self.recipe.drop_behind
        keep = [row for row, i in enumerate(self.live) if means[self.pairs[i][1]] >= lowest]
        if len(keep) == len(self.live):
            return
        self.replicas = self.replicas.select(keep, self.replicas.flat.detach())
        self.optimiser = self.optimiser.select(keep, self.replicas.flat)
        self.rows, self.loss_sum = self.rows[keep], self.loss_sum[keep]
        self.live = [self.live[row] for row in keep]
        score = ReplicaScore(len(keep), self.replicas.space, self.scale.metric)
        self.score = score.to(self.replicas.flat.device)

    def _points(self, period: int) -> list[Point]:
        """A point for each live replica, over the optimiser steps since the last evaluation."""
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
    size = max(1, MAX_EVALUATION_STEPS // (replicas * max(steps, split.target.shape[1])))
    return [select(split, slice(start, start + size)) for start in range(0, examples, size)]
