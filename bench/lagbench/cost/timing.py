"""Timing calls in interleaved rounds, and the load of other processes meanwhile."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median, quantiles

import psutil
import torch

from lagbench.device import seconds

WARM_UP_ROUNDS = 2
MIN_ROUNDS = 5
MIN_SECONDS = 0.1  # for all rounds together
MAX_SECONDS = 3.0  # after which two rounds suffice


@dataclass(frozen=True)
class Timing:
    """Seconds of one call: the median and the quartiles."""

    median: float
    low: float
    high: float


def time_interleaved(calls: Sequence[Callable[[], object]], device: torch.device) -> list[Timing]:
    """Time each call in every round, after a warm-up, so that a drift of the machine hits all."""
    for call in [*calls] * WARM_UP_ROUNDS:
        seconds(call, device)
    times: list[list[float]] = [[] for _ in calls]
    start = time.perf_counter()
    while len(times[0]) < MIN_ROUNDS or time.perf_counter() - start < MIN_SECONDS:
        for call, column in zip(calls, times, strict=True):
            column.append(seconds(call, device))
        if time.perf_counter() - start > MAX_SECONDS and len(times[0]) >= 2:
            break
    timings = []
    for column in times:
        low, _, high = quantiles(column, n=4, method="inclusive")
        timings.append(Timing(median(column), low, high))
    return timings


class BackgroundLoad:
    """What other processes, of this machine or of its host, compute from now on."""

    def __init__(self) -> None:
        self.busy, self.process, self.wall = _busy(), time.process_time(), time.perf_counter()

    def cores(self) -> float:
        """The mean number of cores that they have kept busy."""
        process = time.process_time() - self.process
        wall = time.perf_counter() - self.wall
        return max(0.0, _busy() - self.busy - process) / wall


def _busy() -> float:
    """Seconds that all cores together were not idle since the machine started."""
    spent = psutil.cpu_times()._asdict()
    excluded = ("idle", "iowait", "guest", "guest_nice")  # guests are part of user time
    return float(sum(seconds for name, seconds in spent.items() if name not in excluded))
