"""Arithmetic of the report: averages over seeds, their intervals, and memory horizons.

Seeds are few and now and then one of them fails to learn, so scores are averaged by the
interquartile mean and their intervals are bootstrapped (Agarwal et al. 2021, "Deep reinforcement
learning at the edge of the statistical precipice"). Everything is seeded: the same numbers in,
the same numbers out.
"""

from collections.abc import Callable, Sequence
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

HOLDS = 0.5
"""An architecture holds at a length where its score is at least this."""
CONFIDENCE = 0.95
RESAMPLES = 2000

Floats = NDArray[np.float64]


class Censored(StrEnum):
    """Whether a horizon was found, or lies beyond the lengths that were tried."""

    NO = "no"
    AT_LEAST = "at least"  # the longest length still holds
    BELOW = "below"  # the shortest length does not hold


def iqm(values: ArrayLike, axis: int = -1) -> Floats:
    """Interquartile mean: a quarter of the values, rounded down, is left out at either end.

    For fewer than four values nothing is left out, and it is the plain mean.
    """
    ordered = np.sort(np.asarray(values, float), axis=axis)
    kept = np.moveaxis(ordered, axis, -1)
    cut = kept.shape[-1] // 4
    kept = kept[..., cut : kept.shape[-1] - cut]
    # Rounding must not carry the mean of equal values past them: their interval has no width.
    return np.asarray(np.clip(kept.mean(-1), kept[..., 0], kept[..., -1]))


def interval(values: ArrayLike) -> tuple[float, float]:
    """Percentile bootstrap interval of `iqm`; NaN for fewer than two values.

    Of two or three values it is their range: more than 2.5% of the resamples, one in 27, hold
    nothing but the lowest.
    """
    low, high = bootstrap_interval([np.asarray(values, float)], iqm)
    return float(low), float(high)


def horizon(lengths: ArrayLike, scores: ArrayLike) -> Floats:
    """The longest length at which a score holds there and at every shorter one.

    lengths: `(L,)`, ascending. scores: `(..., L)`, finite. Returns `(...)`: between the last length
    that holds and the next, the score is taken to be linear in log length. Where the first does
    not hold it is the first, where all hold it is the last; `censored` tells these cases apart.
    """
    lengths, scores = np.asarray(lengths, float), np.asarray(scores, float)
    held = np.logical_and.accumulate(scores >= HOLDS, axis=-1).sum(axis=-1)
    last, following = np.maximum(held - 1, 0), np.minimum(held, len(lengths) - 1)
    above, under = _at(scores, last), _at(scores, following)
    crosses = (held > 0) & (held < len(lengths))
    share = np.divide(above - HOLDS, above - under, out=np.zeros_like(above), where=crosses)
    steps = np.log2(lengths[following] / lengths[last])
    return np.asarray(lengths[last] * np.exp2(share * steps))


def censored(scores: ArrayLike) -> Censored:
    """Whether the horizon of scores `(L,)` at ascending lengths was found."""
    held = np.asarray(scores, float) >= HOLDS
    if held.all():
        return Censored.AT_LEAST
    return Censored.NO if held[0] else Censored.BELOW


def horizon_interval(lengths: ArrayLike, samples: Sequence[ArrayLike]) -> tuple[float, float]:
    """Percentile bootstrap interval of the horizon of the means of `samples`.

    samples: the scores of the seeds at each length. Lengths are resampled apart: a model trained
    at one length and one trained at another share nothing but the number of their seed. Bounds
    stay within the lengths tried. NaN where a length has fewer than two seeds.
    """

    def statistic(*scores: Floats, axis: int) -> Floats:
        return horizon(lengths, np.stack([iqm(sample, axis) for sample in scores], axis=-1))

    low, high = bootstrap_interval([np.asarray(sample, float) for sample in samples], statistic)
    return float(low), float(high)


def median_steps(times: ArrayLike) -> float:
    """When half of the cases were done, NaN standing for never; NaN where half never were."""
    ordered = np.sort(np.asarray(times, float))  # NaN sorts last
    return float(ordered[(len(ordered) - 1) // 2]) if len(ordered) else float("nan")


def bootstrap_interval(
    samples: Sequence[Floats], statistic: Callable[..., Floats], confidence: float = CONFIDENCE
) -> tuple[Floats, Floats]:
    """Percentile bootstrap interval `(...)` of a statistic of samples, each resampled apart.

    samples: `(..., n)` each. statistic: takes samples and an axis. confidence: the share of the
    resamples that lies within. NaN where a sample has fewer than two values.
    """
    from scipy import stats  # a second to import, which commands without an interval need not wait

    if min((sample.shape[-1] for sample in samples), default=0) < 2:
        unknown = np.full(samples[0].shape[:-1] if samples else (), np.nan)
        return unknown, unknown
    bounds = stats.bootstrap(
        samples,
        statistic,
        n_resamples=RESAMPLES,
        confidence_level=confidence,
        method="percentile",
        vectorized=True,
        axis=-1,
        rng=np.random.default_rng(0),
    ).confidence_interval
    return np.asarray(bounds.low), np.asarray(bounds.high)


def _at(scores: Floats, index: NDArray[np.intp]) -> Floats:
    return np.take_along_axis(scores, index[..., None], axis=-1)[..., 0]
