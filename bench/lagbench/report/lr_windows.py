"""`lr_windows.csv`: how wide the window of good learning rates is.

A fixed grid favours architectures that learn at many rates, and the score at the best rate does not
say so: beside it stand the mean over all rates and the width of the window.
"""

import math
from itertools import takewhile
from typing import Any

import pandas as pd

from lagbench.record import Status
from lagbench.report.columns import KEY, frame
from lagbench.report.statistics import Censored, iqm

GOOD_SHARE = 0.9
"""A rate is good if its validation score is at least this share of the best rate's."""
MIN_SCORE = 0.1
"""Where even the best rate's validation score is below this, there is no window to speak of."""
COLUMNS = [
    *(*KEY, "rates", "best_rate", "best", "interquartile_mean"),
    *("window_low", "window_high", "window", "edge", "censored"),
]


def lr_windows(trials: pd.DataFrame) -> pd.DataFrame:
    """A row for each architecture, task and length whose learning rate was selected, from `trials`.

    Each of the `rates` counts with its mean validation score over the seeds that chose (those for
    tuning, where there are any), at the end of its training: one that was dropped, or stood beside
    one that solved the task first, with what it had reached by then.
    The window runs from the lowest to the highest rate around the best between which all are good;
    a rate with more diverged seeds than the best is not. Its width, in decades, is `at least` that
    where it reaches the first or last rate tried. `edge` says whether the best
    rate is itself the first or the last.
    """
    trained = trials[trials["validation_score"].notna()]
    best_rates = trained[trained["selected"]].groupby(KEY)["learning_rate"].first().to_dict()
    result = [
        dict(zip(KEY, index, strict=True)) | _window(rates.reset_index(), best_rates[index])
        for index, rates in _rates(trained).groupby(KEY)
        if index in best_rates
    ]
    return frame(result, COLUMNS, by=KEY)


def _rates(trained: pd.DataFrame) -> pd.DataFrame:
    """The mean score of each learning rate tried somewhere, and how many seeds diverged at it."""
    tuned = trained.groupby(KEY)["tuning"].transform("any")
    chose = trained[trained["tuning"] | ~tuned]
    diverged = chose.assign(diverged=chose["status"] == Status.DIVERGED)
    return diverged.groupby([*KEY, "learning_rate"]).agg(
        score=("validation_score", "mean"), diverged=("diverged", "sum")
    )


def _window(rates: pd.DataFrame, best_rate: float) -> dict[str, Any]:
    """Learning rates of one architecture on one task at one length -> what they say."""
    tried, scores = rates["learning_rate"].to_list(), rates["score"].to_numpy(float)
    diverged = rates["diverged"].to_numpy()
    index, last = tried.index(best_rate), len(tried) - 1
    best = scores[index]
    result = {
        "rates": len(tried),
        "best_rate": best_rate,
        "best": best,
        "interquartile_mean": float(iqm(scores)),
        "edge": _edge(index == 0, index == last),
    }
    if best < MIN_SCORE:
        return result
    good = (scores >= GOOD_SHARE * best) & (diverged <= diverged[index])
    low, high = _around(index, good.tolist())
    return result | {
        "window_low": tried[low],
        "window_high": tried[high],
        "window": math.log10(tried[high] / tried[low]),
        "censored": Censored.AT_LEAST if low == 0 or high == last else Censored.NO,
    }


def _around(index: int, good: list[bool]) -> tuple[int, int]:
    """The first and last place of the run of good ones around `place`, which is good."""
    below = sum(1 for _ in takewhile(bool, reversed(good[:index])))
    above = sum(1 for _ in takewhile(bool, good[index + 1 :]))
    return index - below, index + above


def _edge(lowest: bool, highest: bool) -> str:
    if lowest and highest:
        return "only"
    return "low" if lowest else "high" if highest else "no"
