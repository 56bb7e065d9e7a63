"""`forecast_mackey_glass`: the next value of a chaotic series with a delay."""

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, TypeVar

import torch
from torch import Tensor

from lagbench import Alignment, Batch, Metric, Reals, Signature, Split, Task, UserError, register
from lagbench.material import lengths
from lagbench.material.sampling import deal

Value = TypeVar("Value", float, Tensor)

_WINDOWS = {Split.TRAIN: 14_000, Split.VALIDATION: 3_000, Split.TEST: 3_000}
_FIRST = {Split.TRAIN: 1.1, Split.VALIDATION: 1.2, Split.TEST: 1.3}  # the values before the first


@dataclass(frozen=True)
class ForecastMackeyGlass(Task):
    """Predict the next value of the chaotic Mackey–Glass series.

    Data:
        0.82 0.77 0.73 0.70  ->  0.77 0.73 0.70 0.69
        `x(t+1) = 0.9 x(t) + 0.2 y / (1 + y^10)` with `y = x(t - delay)`. Steps before `delay` are
        not scored, so that the source determines every target. Each split is a series of its own;
        its examples are the windows that begin at 14,000 successive values for training, and at
        3,000 otherwise.
    Length: values; above the delay.
    Lag: the delay; the last value is needed too.
    Chance: the variance of the targets: the error of answering their mean. See also `persistence`.
    Source: Mackey and Glass (1977), Oscillation and Chaos in Physiological Control Systems, Science
        197; with the usual delays of 17 and 30 a benchmark since Lapedes and Farber (1987) and
        Jaeger (2001), The "Echo State" Approach, who take smaller steps.

    Attributes:
        delay: at least 17; below, the series is not chaotic, and its windows repeat.
    """

    metric: ClassVar[Metric] = Metric.MSE
    lengths: ClassVar[tuple[int, ...]] = (32, 64, 128, 256)

    delay: int = 17

    def __post_init__(self) -> None:
        if self.delay < 17:
            raise UserError(
                f"forecast_mackey_glass needs a delay of at least 17, not {self.delay}."
            )

    def signature(self, length: int) -> Signature:
        lengths.require("forecast_mackey_glass", length, self.delay + 1)
        return Signature(Reals(), Reals(), Alignment.ALIGNED, length, length, causal=True)

    def sample(self, length: int, count: int, generator: torch.Generator, split: Split) -> Batch:
        self.signature(length)
        begin = deal(_WINDOWS[split], count, generator)[:, None]
        window = _mackey_glass(self.delay, length, split)[begin + torch.arange(length + 1)]
        asked = (torch.arange(length) >= self.delay).expand(count, -1)
        lag = torch.where(asked, self.delay, -1)
        return Batch(window[:, :-1, None], window[:, 1:, None], target_mask=asked, lag=lag)

    def num_examples(self, length: int, split: Split) -> int:
        return _WINDOWS[split]

    def chance(self, length: int) -> float:
        windows = _mackey_glass(self.delay, length, Split.TRAIN).double().unfold(0, length + 1, 1)
        return float(windows[:, self.delay + 1 :].var(dim=0, correction=0).mean())

    def persistence(self, length: int) -> float:
        """The error of answering the last value again, over all windows for training."""
        windows = _mackey_glass(self.delay, length, Split.TRAIN).double().unfold(0, length + 1, 1)
        return float(windows[:, self.delay :].diff(dim=1).square().mean())

    def oracle(self, length: int, source: Tensor, source_mask: Tensor | None) -> Tensor:
        """The equation; before step `delay`, the last value."""
        x, y = source[:, self.delay :], source[:, : length - self.delay]
        return torch.cat([source[:, : self.delay], _step(x, y)], dim=1)


@lru_cache(maxsize=8)
def _mackey_glass(delay: int, length: int, split: Split) -> Tensor:
    """The series that all windows of a split lie in, long after its beginning."""
    series = [_FIRST[split]] * (delay + 1)
    forgotten = 100 * delay
    for _ in range(forgotten + _WINDOWS[split] + length):
        series.append(_step(series[-1], series[-1 - delay]))
    return torch.tensor(series[-_WINDOWS[split] - length :])


def _step(x: Value, y: Value) -> Value:
    """The Mackey–Glass equation: the next value from the last and the delayed one."""
    return 0.9 * x + 0.2 * y / (1 + y**10)


register("forecast_mackey_glass", ForecastMackeyGlass())
