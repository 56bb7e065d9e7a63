"""Lag accuracy: how often targets are answered right, by the lag that the task states for them."""

import torch

from lagbench.contract import Tokens
from lagbench.probes.context import NotMeasurable, Probe, ProbeContext, ProbeResult
from lagbench.probes.lags import lag_bin, target_loss_mask
from lagbench.record import ProbeValue

NAME = "lag_accuracy"


def lag_accuracy(context: ProbeContext) -> list[ProbeResult] | NotMeasurable:
    """Accuracy against lag over the whole test split, in bins; `x` is the mean lag in its bin.

    Deep, every lag has a bin of its own.
    """
    test = context.test
    if not isinstance(context.job.plan.signature.target, Tokens):
        return NotMeasurable("its targets are values, which are not right or wrong")
    if test.lag is None or not (loss_mask := target_loss_mask(test) & (test.lag >= 0)).any():
        return NotMeasurable("the task states no lags")
    lags = test.lag[loss_mask]
    bin_of = torch.tensor([lag_bin(lag) for lag in range(int(lags.max()) + 1)])
    bins = lags if context.deep else bin_of[lags]
    right = (context.answers == test.target)[:, loss_mask].double()
    counts = torch.bincount(bins)
    mean_lag = torch.bincount(bins, weights=lags.double()) / counts
    return [
        ProbeResult(
            [
                ProbeValue(probe=NAME, x=x, value=total / count, count=count)
                for x, total, count in zip(
                    mean_lag.tolist(),
                    torch.bincount(bins, weights=answers).tolist(),
                    counts.tolist(),
                    strict=True,
                )
                if count
            ]
        )
        for answers in right
    ]


LAG_ACCURACY = Probe(NAME, lag_accuracy)
