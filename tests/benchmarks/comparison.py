"""Two ways to do the same work, timed in turn in one process."""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

from lagbench.device import CPU, seconds


@dataclass(frozen=True)
class Comparison:
    """Our way against another, and what the ratio of their times must come to."""

    name: str
    against: str
    ours: Callable[[], object]
    theirs: Callable[[], object]
    target: float
    share: bool  # true: our time over theirs, at most the target; false: theirs over ours, at least
    repeats: int = 1  # how many times as much work one call of ours does as one of theirs
    flops: float | None = None  # of the products in one call of ours; None: not counted


@dataclass(frozen=True)
class Ratio:
    """The median ratio of a comparison, with the lowest and the highest seen."""

    case: str
    against: str
    ratio: float
    low: float
    high: float
    target: float
    share: bool  # as in `Comparison`
    met: bool
    flops_per_second: float | None  # in the products of our way
    share_of_peak: float | None  # of the machine's rate in one large product


def compare(comparison: Comparison, rounds: int, peak: float) -> Ratio:
    """Time both ways in turn, after one round that is not counted.

    The order within a round changes from round to round, so that a drift favours neither.
    peak: operations a second of one large matrix product on this machine.
    """
    ratios, times = [], []
    for index in range(rounds + 1):
        calls = [comparison.ours, comparison.theirs]
        took = [seconds(call, CPU) for call in (calls if index % 2 else calls[::-1])]
        ours, theirs = took if index % 2 else took[::-1]
        times.append(ours)
        ours /= comparison.repeats
        ratios.append(ours / theirs if comparison.share else theirs / ours)
    counted = ratios[1:]
    middle = median(counted)
    met = middle <= comparison.target if comparison.share else middle >= comparison.target
    rate = None if comparison.flops is None else comparison.flops / median(times[1:])
    return Ratio(
        comparison.name, comparison.against, middle, min(counted), max(counted),
        comparison.target, comparison.share, met, rate, None if rate is None else rate / peak,
    )  # fmt: skip
