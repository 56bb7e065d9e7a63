"""Drawing batches to check, and estimating from them."""

from dataclasses import dataclass

import torch
from torch import Tensor

from lagbench.contract import Batch, Metric, Split, Task

EXAMPLES = 2**14  # of a large sample, fewer where one is large itself
NUMBERS = 2**20  # of a large sample
ERRORS = 4.5  # standard errors that a sample may lie off: once in 150,000 times


def draw(task: Task, length: int, count: int, seed: int = 0, split: Split = Split.TRAIN) -> Batch:
    """Examples from a generator of their own."""
    return task.sample(length, count, torch.Generator().manual_seed(seed), split)


def large(task: Task, length: int) -> Batch:
    """Training examples enough to estimate from; all that there are, where they are fewer."""
    size = draw(task, length, 1).source.numel()
    count = min(EXAMPLES, max(256, NUMBERS // size))
    return draw(task, length, min(count, task.num_examples(length, Split.TRAIN) or count), seed=1)


def loss_mask(drawn: Batch) -> Tensor:
    """Which targets are asked for: `(B, U)`, true everywhere where the batch has no mask."""
    if drawn.target_mask is not None:
        return drawn.target_mask
    return torch.ones(drawn.target.shape[:2], dtype=torch.bool)


@dataclass(frozen=True)
class Estimate:
    """A metric and its standard error, the targets of an example taken as dependent."""

    value: float
    error: float

    @property
    def margin(self) -> float:
        """How far the truth may lie off; rounding at least."""
        return ERRORS * self.error + 1e-6


def estimate(kind: Metric, answers: Tensor, target: Tensor, asked: Tensor) -> Estimate:
    """The metric of answers over the targets asked for."""
    contributions = torch.where(asked, kind.contribution(answers, target), 0.0).sum(1)
    counts = asked.sum(1).double()
    value = contributions.sum() / counts.sum()
    error = (contributions - value * counts).square().sum().sqrt() / counts.sum()
    return Estimate(value.item(), error.item())
