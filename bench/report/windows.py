"""`windows.csv`: how wide the window of good learning rates is.

A fixed grid favours architectures that learn at many rates, and the score at the best rate does not
say so: beside it stand the mean over all rates and the width of the window.
"""

import math
from itertools import takewhile
from typing import Any

import pandas as pd

from bench.record import Status
from bench.report.frames import KEY, frame
from bench.report.statistics import Censored, centre

WITHIN = 0.9
"""A rate is good if its validation score is at least this share of the best rate's."""
LEARNED = 0.1
"""Where even the best rate's validation score is below this, there is no window to speak of."""
COLUMNS = [
    *(*KEY, "rates", "best_rate", "best", "interquartile_mean"),
    *("window_low", "window_high", "window", "edge", "censored"),
]


def windows(trials: pd.DataFrame) -> pd.DataFrame:
    """A row for each architecture, task and length whose learning rate was selected, from `trials`.

    Each of the `rates` counts with its mean validation score over seeds, at the end of its
    training: one that was dropped, or stood beside one that solved the task first, with what it
    had reached by then. The window runs from the lowest to the highest rate around the best between
    which all are good; a rate with more diverged seeds than the best is not. Its width, in decades,
    is `at least` that where it reaches the first or last rate tried. `edge` says whether the best
    rate is itself the first or the last.
    """
    trained = trials[trials["validation_score"].notna()]
    found = [
        dict(zip(KEY, place, strict=True)) | _window(rows)
        for place, rows in trained.groupby(KEY)
        if rows["selected"].any()
    ]
    return frame(found, COLUMNS, by=KEY)


def _window(rows: pd.DataFrame) -> dict[str, Any]:
    """Trials of one architecture on one task at one length -> what they say of its rates."""
    rates = rows.groupby("learning_rate").agg(
        score=("validation_score", "mean"),
        diverged=("status", lambda status: (status == Status.DIVERGED).sum()),
    )
    best_rate = rows.loc[rows["selected"], "learning_rate"].iloc[0]
    best = rates.loc[best_rate]
    place, last = rates.index.to_list().index(best_rate), len(rates) - 1
    found = {
        "rates": len(rates),
        "best_rate": best_rate,
        "best": best["score"],
        "interquartile_mean": float(centre(rates["score"])),
        "edge": _edge(place == 0, place == last),
    }
    if best["score"] < LEARNED:
        return found
    good = (rates["score"] >= WITHIN * best["score"]) & (rates["diverged"] <= best["diverged"])
    low, high = _around(place, good.tolist())
    return found | {
        "window_low": rates.index[low],
        "window_high": rates.index[high],
        "window": math.log10(rates.index[high] / rates.index[low]),
        "censored": Censored.AT_LEAST if low == 0 or high == last else Censored.NO,
    }


def _around(place: int, good: list[bool]) -> tuple[int, int]:
    """The first and last place of the run of good ones around `place`, which is good."""
    below = sum(1 for _ in takewhile(bool, reversed(good[:place])))
    above = sum(1 for _ in takewhile(bool, good[place + 1 :]))
    return place - below, place + above


def _edge(lowest: bool, highest: bool) -> str:
    if lowest and highest:
        return "only"
    return "low" if lowest else "high" if highest else "no"
