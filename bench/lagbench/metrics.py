"""A task's metric of given answers, and the score that it comes to: the obvious arithmetic."""

import math

from torch import Tensor

from lagbench.contract import Metric


def per_target(kind: Metric, answers: Tensor, target: Tensor) -> Tensor:
    """What each target contributes to the metric: `(B, U)`, in double precision.

    answers: tokens `(B, U)` for accuracy, values `(B, U, W)` for the squared error, and
        log-probabilities in nats `(B, U, V)` for bits.
    target: tokens `(B, U)` or values `(B, U, W)`.
    """
    match kind:
        case Metric.ACCURACY:
            return (answers == target).double()
        case Metric.MSE:
            return (answers.double() - target.double()).square().mean(-1)
        case Metric.BITS:
            right = answers.double().gather(-1, target[..., None])[..., 0]
            return -right / math.log(2)


def metric(kind: Metric, answers: Tensor, target: Tensor, target_mask: Tensor | None) -> float:
    """The metric over all counted targets; NaN where none is. Shapes as for `per_target`."""
    contributions = per_target(kind, answers, target)
    counted = contributions if target_mask is None else contributions[target_mask]
    return counted.mean().item()


def score(metric: float, chance: float, optimum: float) -> float:
    """0 for guessing and 1 for solved, whichever way the metric runs."""
    return (metric - chance) / (optimum - chance)
