"""Timing calls in turn, so that a drift of the machine favours none of them."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median, quantiles

import torch

WARM_UP = 2  # rounds that are not counted
ROUNDS = 5
SECONDS = 0.1  # at least, for all rounds together
LIMIT = 3.0  # after which two rounds have to do
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Timing:
    """Seconds of one call: the median, and the quartiles as the spread."""

    median: float
    low: float
    high: float


def time_interleaved(calls: Sequence[Callable[[], object]], device: torch.device) -> list[Timing]:
    """Time each call in every round, after a warm-up."""
    for call in [*calls] * WARM_UP:
        seconds(call, device)
    times: list[list[float]] = [[] for _ in calls]
    begun = time.perf_counter()
    while len(times[0]) < ROUNDS or time.perf_counter() - begun < SECONDS:
        for call, own in zip(calls, times, strict=True):
            own.append(seconds(call, device))
        if time.perf_counter() - begun > LIMIT and len(times[0]) >= 2:
            break
    return [_timing(own) for own in times]


def _timing(times: list[float]) -> Timing:
    low, _, high = quantiles(times, n=4, method="inclusive")
    return Timing(median(times), low, high)


def seconds(call: Callable[[], object], device: torch.device = CPU) -> float:
    """What a call takes, until the device has done what it was given to do."""
    start = time.perf_counter()
    call()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start
