"""Loss, and the metric that tasks are scored by, for one model or for `R` replicas at once."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics import Metric as TorchMetric

from lagbench.contract import Metric, Space, Tokens


def target_losses(predicted: Tensor, target: Tensor, space: Space) -> Tensor:
    """The loss of every target: cross-entropy in nats, or squared error averaged over its width.

    predicted: `(…, U, V)` logits or `(…, U, W)` values; target: `(…, U)` or `(…, U, W)`.
    Returns `(…, U)`.
    """
    if isinstance(space, Tokens):
        return -F.log_softmax(predicted, -1).gather(-1, target[..., None])[..., 0]
    return (predicted - target).square().mean(-1)


def loss(predicted: Tensor, target: Tensor, target_mask: Tensor | None, space: Space) -> Tensor:
    """The mean loss over the targets that count, a scalar."""
    losses = target_losses(predicted, target, space)
    if target_mask is None:
        return losses.mean()
    return (losses * target_mask).sum() / target_mask.sum().clamp(min=1)


@dataclass(frozen=True)
class Scale:
    """A task's metric at one length, between chance and optimum."""

    metric: Metric
    chance: float
    optimum: float

    def score(self, value: float) -> float:
        """0 for chance, 1 for the optimum, whichever of them is larger."""
        return (value - self.chance) / (self.optimum - self.chance)


@dataclass(frozen=True)
class Evaluation:
    """The results of `R` replicas on a split, tensors `(R,)` on the CPU."""

    loss: Tensor
    metric: Tensor
    accuracy: Tensor | None = None  # None for values
    exact_match: Tensor | None = None


class ReplicaScore(TorchMetric):
    """Loss, metric, accuracy and exact match of `R` replicas at once, summed over batches."""

    full_state_update = False
    loss_sum: Tensor
    metric_sum: Tensor
    right: Tensor
    exact: Tensor
    targets: Tensor
    examples: Tensor

    def __init__(self, replicas: int, space: Space, metric: Metric) -> None:
        super().__init__()
        self.space, self.metric = space, metric
        for name in ("loss_sum", "metric_sum", "right", "exact"):
            zeros = torch.zeros(replicas, dtype=torch.float64)
            self.add_state(name, zeros, dist_reduce_fx="sum")
        for name in ("targets", "examples"):
            self.add_state(name, torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")

    def update(
        self,
        predicted: Tensor,
        target: Tensor,
        target_mask: Tensor | None,
        answers: Tensor | None = None,
    ) -> None:
        """Add a batch: predictions `(R, B, U, …)` against shared targets `(B, U[, W])`.

        answers: tokens `(R, B, U)` or values `(R, B, U, W)`; None: the most probable, as predicted.
        """
        mask = target_mask
        if mask is None:
            mask = torch.ones(target.shape[:2], dtype=torch.bool, device=target.device)
        shared = target.expand(predicted.shape[0], *target.shape)
        losses = target_losses(predicted, shared, self.space)
        self.loss_sum += (losses.double() * mask).sum((1, 2))
        self.targets += mask.sum()
        self.examples += target.shape[0]
        if isinstance(self.space, Tokens):
            answers = predicted.argmax(-1) if answers is None else answers
            right = answers == shared
            self.right += (right & mask).sum((1, 2))
            self.exact += (right | ~mask).all(2).sum(1)
        if self.metric.loss_unit is None:
            if self.metric.log_probabilities:
                answers = F.log_softmax(predicted, -1)
            values = predicted if answers is None else answers
            self.metric_sum += (self.metric.contribution(values, shared) * mask).sum((1, 2))

    def compute(self) -> dict[str, Tensor]:
        """The fields of an `Evaluation` over all batches since the last reset."""
        loss = self.loss_sum / self.targets
        unit = self.metric.loss_unit
        metric = self.metric_sum / self.targets if unit is None else loss / unit
        values = {"loss": loss, "metric": metric}
        if isinstance(self.space, Tokens):
            values["accuracy"] = self.right / self.targets
            values["exact_match"] = self.exact / self.examples
        return values

    def evaluation(self) -> Evaluation:
        """The same as an `Evaluation`."""
        values = self.compute()  # of a single replica, torchmetrics squeezes them
        return Evaluation(**{name: value.reshape(-1).cpu() for name, value in values.items()})
