"""Lag accuracy: how often targets are answered right, by the lag that the task states for them."""

import torch

from lagbench.contract import Tokens
from lagbench.probes.context import Finding, Probe, Refusal, Subject
from lagbench.probes.lags import counted_targets, lag_bin
from lagbench.record import ProbeValue

NAME = "lag_accuracy"


def lag_accuracy(subject: Subject) -> list[Finding] | Refusal:
    """Accuracy against lag over the whole test split, in bins; `x` is the mean lag in its bin.

    Deep, every lag has a bin of its own.
    """
    test = subject.test
    if not isinstance(subject.job.plan.signature.target, Tokens):
        return Refusal("its targets are values, which are not right or wrong")
    if test.lag is None or not (loss_mask := counted_targets(test) & (test.lag >= 0)).any():
        return Refusal("the task states no lags")
    lags = test.lag[loss_mask]
    bin_of = torch.tensor([lag_bin(lag) for lag in range(int(lags.max()) + 1)])
    bins = lags if subject.deep else bin_of[lags]
    right = (subject.answers == test.target)[:, loss_mask].double()
    counts = torch.bincount(bins)
    mean_lag = torch.bincount(bins, weights=lags.double()) / counts
    return [
        Finding(
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
