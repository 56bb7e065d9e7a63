"""Architectures over all published suites, by the share of the others that each outperforms.

Scores of different suites have no common scale, and every suite has its own architectures. So an
architecture is measured against those that were run beside it: on each task at each length, the
share of the others with a lower score, half of those with an equal one. It is averaged over the
tasks and lengths of a suite, then over suites.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lagbench.publish.records import Published
from lagbench.record import Status
from lagbench.report import tables

NO_SCORE = -np.inf  # it was tried, and diverged or ended: behind every score


@dataclass(frozen=True)
class SuiteRank:
    """An architecture in one suite."""

    ahead: float  # share of the others that it leaves behind
    score: float  # mean over its tasks and lengths; 0 is chance, 1 the optimum; no score counts 0
    cells: int  # tasks and lengths that it can run


@dataclass(frozen=True)
class OverallRank:
    """An architecture over all suites that it is part of."""

    architecture: str
    ahead: float
    suites: dict[str, SuiteRank]


def rank_architectures(suites: Mapping[str, Published]) -> list[OverallRank]:
    """Architectures, the best first."""
    by_architecture: dict[str, dict[str, SuiteRank]] = {}
    for suite, published in suites.items():
        for architecture, rank in _in_suite(_scores(published)).items():
            by_architecture.setdefault(architecture, {})[suite] = rank
    overall = [
        OverallRank(name, float(np.mean([rank.ahead for rank in ranks.values()])), ranks)
        for name, ranks in by_architecture.items()
    ]
    return sorted(overall, key=lambda rank: (-rank.ahead, rank.architecture))


def _scores(published: Published) -> pd.DataFrame:
    """Scores, blocks × architectures; NaN where an architecture cannot run a block."""
    trials = tables.trials(published.records, published.throughputs)
    summary = tables.summary(trials, published.throughputs)
    tried = summary[summary[Status.UNSUPPORTED] < summary[[*Status]].sum(axis=1)]
    scores = tried.assign(score=tried["score"].fillna(NO_SCORE))
    return scores.pivot(index=["task", "length"], columns="architecture", values="score")


def _in_suite(scores: pd.DataFrame) -> dict[str, SuiteRank]:
    ahead = scores.apply(_ahead, axis=1).mean()  # of the blocks that it can run
    means = scores.replace(NO_SCORE, 0.0).mean()
    return {
        str(name): SuiteRank(float(ahead[name]), float(means[name]), int(scores[name].count()))
        for name in scores.columns
        if np.isfinite(ahead[name])
    }


def _ahead(block: pd.Series) -> pd.Series:
    """The share of the others behind each, from the scores of a block; NaN where there are none."""
    others = block.count() - 1
    ranks = block.rank(method="average")  # 1 the worst
    return (ranks - 1) / others if others else block * np.nan
