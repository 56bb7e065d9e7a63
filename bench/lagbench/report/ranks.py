"""`ranks.csv`: who comes first over all tasks and lengths together.

A block is a task at a length; its architectures are ranked by their interquartile mean, 1 the
best, equals sharing their mean rank. Average ranks further apart than Nemenyi's critical difference
differ (Demšar 2006, "Statistical comparisons of classifiers over multiple data sets"). Blocks are
taken to be independent, which the lengths of one task are not quite: the critical difference is a
lower bound.
"""

from string import ascii_letters
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from lagbench.report.columns import frame, scored
from lagbench.report.significance import ALPHA
from lagbench.report.statistics import Floats, bootstrap_interval, iqm

MIN_SHARE = 0.5
"""An architecture is ranked if it has a score in at least this share of all blocks."""
COLUMNS = [
    *("architecture", "blocks", "rank", "critical_difference", "friedman_p", "clique"),
    *("score", "score_low", "score_high"),
]


def ranks(trials: pd.DataFrame) -> pd.DataFrame:
    """A row for each architecture that has a score, from `trials`.

    Ranks are over the `blocks` in which all that are ranked have a score; who has a score in too
    few has no rank, and no blocks. `clique` names groups of ranks that are not distinguished: two
    architectures that share a letter. score: interquartile mean over the runs in these blocks, and
    its interval, for which seeds are resampled within blocks.
    """
    rows = scored(trials)
    samples = rows.groupby(["task", "length", "architecture"])["score"].apply(np.array).unstack()
    ranked = samples.loc[:, samples.notna().mean() >= MIN_SHARE].dropna()
    unranked = [
        {"architecture": name, "blocks": 0} for name in samples.columns.difference(ranked.columns)
    ]
    result = _ranked(ranked) if len(ranked) else []
    return frame([*result, *unranked], COLUMNS, by=["rank", "architecture"])


def _ranked(samples: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of those ranked; samples: scores of the seeds, blocks × architectures."""
    scores = samples.map(lambda runs: float(iqm(runs)))
    averages = scores.rank(axis=1, ascending=False).mean()
    shared = {
        "blocks": len(samples),
        "critical_difference": critical_difference(len(averages), len(samples)),
        "friedman_p": friedman_p(scores.to_numpy(float)),
    }
    letters = cliques(scores[averages.sort_values().index])
    return [
        {"architecture": name, "rank": averages[name], "clique": letters[name], **shared}
        | overall([np.asarray(runs, float) for runs in samples[name]])
        for name in samples.columns
    ]


def critical_difference(architectures: int, blocks: int) -> float:
    """How far apart average ranks must be to differ at `ALPHA`; NaN for a single architecture."""
    k = architectures
    if k < 2:
        return float("nan")
    q = stats.studentized_range.ppf(1 - ALPHA, k, np.inf) / np.sqrt(2)
    return float(q * np.sqrt(k * (k + 1) / (6 * blocks)))


def friedman_p(scores: Floats) -> float:
    """Friedman's p that all rank alike in `scores` `(blocks, k)`; NaN for fewer than three."""
    if scores.shape[1] < 3:
        return float("nan")
    if (scores == scores[:, :1]).all():
        return 1.0  # all tied in every block: the statistic is 0 / 0
    return float(stats.friedmanchisquare(*scores.T).pvalue)


def cliques(scores: pd.DataFrame) -> dict[str, str]:
    """Letters by architecture, one for each largest group that Nemenyi's test tells not apart.

    scores: blocks × architectures, these in the order of their average ranks.
    """
    from scikit_posthocs import posthoc_nemenyi_friedman

    names = list(scores.columns)
    p = posthoc_nemenyi_friedman(scores.to_numpy(float)).to_numpy(float)
    ends = [max(np.flatnonzero(p[first] > ALPHA), default=first) for first in range(len(names))]
    longest = [
        (first, end) for first, end in enumerate(ends) if end > first and end not in ends[:first]
    ]
    return {
        name: "".join(
            letter
            for letter, (first, end) in zip(ascii_letters, longest, strict=False)
            if first <= index <= end
        )
        for index, name in enumerate(names)
    }


def overall(runs: list[Floats]) -> dict[str, float]:
    """The iqm of all runs, given block by block, and its interval."""

    def statistic(*samples: Floats, axis: int) -> Floats:
        return iqm(np.concatenate(samples, axis=axis), axis)

    low, high = bootstrap_interval(runs, statistic)
    return {
        "score": float(statistic(*runs, axis=-1)),
        "score_low": float(low),
        "score_high": float(high),
    }
