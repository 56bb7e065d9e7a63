"""Whether one architecture does better than another, or only had better seeds.

Two architectures that are trained with one seed see the same examples in the same order, so their
scores are compared in pairs. If they were equally good, each difference would as likely have had
the other sign: the test turns the signs in every way (Fisher's permutation test, exact up to 12
pairs). It asks nothing of the scores, which are bounded, often tied, and now and then those of a
run that did not learn; so two names for one architecture are told apart in at most one of twenty
comparisons. The price is that few pairs decide nothing: of `n` pairs no p is below `2 / 2ⁿ`, which
is 1/4 for three seeds and 1/32 for six. (Wilcoxon's test has the same bound; the t test has none,
and takes three seeds for certainty that scores like these do not give.)
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import inf, nan

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from lagbench.report.statistics import CONFIDENCE, Floats, bootstrap_interval

ALPHA = 0.05
"""How often equally good architectures are told apart, over one family of comparisons."""
POWER = 0.8
"""How often the minimum detectable difference is found."""
PERMUTATIONS = 2**12

Pair = tuple[ArrayLike, ArrayLike]


@dataclass(frozen=True)
class PairTest:
    """What `a` has before `b`, each `(...)`; NaN: there are too few seeds to say."""

    difference: Floats  # mean over pairs
    low: Floats  # percentile bootstrap interval of it, expanded where pairs are few
    high: Floats
    probability_of_improvement: Floats  # that a run of a beats a run of b, a tie counting half
    p: Floats


def compare(strata: Sequence[Pair]) -> PairTest:
    """Compare paired, finite scores of `a` and `b`, at one length or at several.

    strata: scores of a `(..., seeds)` and of b `(..., seeds)`, for each length. Seeds are resampled
    within lengths: two lengths share nothing but the number of a seed. With one seed at any length
    there is neither an interval nor a p.
    """
    pairs = [(np.asarray(a, float), np.asarray(b, float)) for a, b in strata]
    differences = [a - b for a, b in pairs]
    together = np.concatenate(differences, axis=-1)
    sizes = tuple(sample.shape[-1] for sample in differences)
    low, high = bootstrap_interval(differences, _mean, _expanded(sizes))
    return PairTest(
        difference=together.mean(-1),
        low=low,
        high=high,
        probability_of_improvement=np.mean([_wins(a, b) for a, b in pairs], axis=0),
        p=np.full(together.shape[:-1], nan) if min(sizes) < 2 else sign_test(together),
    )


def sign_test(differences: ArrayLike) -> Floats:
    """Two-sided p `(...)` of the mean of paired differences `(..., pairs)`, of which two or more.

    Of more than 12 differences, the same `PERMUTATIONS` random ways are taken each time.
    """
    test = stats.permutation_test(
        (np.asarray(differences, float),),
        np.mean,
        permutation_type="samples",
        vectorized=True,
        n_resamples=PERMUTATIONS,
        axis=-1,
        rng=np.random.default_rng(0),
    )
    return np.asarray(test.pvalue)


def holm(p: ArrayLike) -> Floats:
    """Holm's correction of the p of one family `(m,)`.

    As statsmodels' `multipletests`, which collects all garbage at each call and is a thousand times
    as slow for it.
    """
    p = np.asarray(p, float)
    order = np.argsort(p)
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(stepped, 1)
    return corrected


def minimum_detectable(differences: ArrayLike, family: int) -> Floats:
    """The difference `(...)` that would be found with a probability of `POWER`, beside others.

    differences: `(..., pairs)`; only how much they spread counts. family: how many comparisons are
    corrected together; what is found then is found whatever the others give. From the power of the
    paired t test, to which the test on signs comes close; infinite where so few pairs decide
    nothing, however large the difference.
    """
    spread = np.asarray(differences, float)
    effect = _effect(spread.shape[-1], ALPHA / family)
    if np.isinf(effect):
        return np.full(spread.shape[:-1], inf)
    return np.asarray(effect * spread.std(axis=-1, ddof=1))


@cache
def _effect(pairs: int, level: float) -> float:
    """The smallest shift, in standard deviations of the differences, that is found at `level`."""
    from statsmodels.stats.power import TTestPower

    attainable = 2 / min(2**pairs, PERMUTATIONS)
    if attainable > level:
        return inf
    # With as few pairs as can decide, only differences that all have one sign do.
    of_one_sign = stats.norm.ppf(POWER ** (1 / pairs)) if 2 * attainable > level else 0.0
    wanted = TTestPower().solve_power(nobs=pairs, alpha=level, power=POWER)
    return float(max(wanted, of_one_sign))


@cache
def _expanded(sizes: tuple[int, ...]) -> float:
    """The share of the resamples by which an interval of means of so many pairs covers 95%.

    Resamples of `n` values spread by √((n − 1) / n) too little, and 95% of them are as if that
    spread were known: of ten pairs, they covered 89%. The expanded percentile interval of
    Hesterberg 2015, "What teachers should know about the bootstrap", section 4.3.
    """
    freedom, least = sum(sizes) - len(sizes), min(sizes)
    if least < 2:
        return CONFIDENCE
    reach = np.sqrt(least / (least - 1)) * stats.t.ppf((1 + CONFIDENCE) / 2, freedom)
    return float(1 - 2 * stats.norm.sf(reach))


def _wins(a: Floats, b: Floats) -> Floats:
    a, b = a[..., :, None], b[..., None, :]
    return np.asarray(np.mean((a > b) + 0.5 * (a == b), axis=(-2, -1)))


def _mean(*differences: Floats, axis: int) -> Floats:
    return np.asarray(np.concatenate(differences, axis=axis).mean(axis))
