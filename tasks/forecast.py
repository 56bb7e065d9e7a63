"""`forecast`: the next value of a noisy sum of sines."""

from dataclasses import dataclass
from functools import lru_cache
from math import pi, sqrt
from typing import ClassVar

import torch
from torch import Tensor

from lagbench import Alignment, Batch, Metric, Reals, Signature, Split, Task, UserError, register
from lagbench.material import lengths


@dataclass(frozen=True)
class Forecast(Task):
    """Predict the next value of a noisy sum of sines.

    Data:
        0.91 0.42 -0.37 -1.05  ->  0.42 -0.37 -1.05 -1.12
        The `j`-th sine has `j * cycles` periods in `T` steps, and a random amplitude and phase in
        every series (its sine and cosine parts are normal). The signal has variance 1, plus white
        noise.
    Length: values; at least 1. Periods grow with it, so that noise is averaged over more steps.
    Lag: none; all values carry information.
    Chance: `1 + noise^2`, the variance: the error of answering 0. The optimum is the variance of
        the next value given all before it, averaged over the steps; exact, since all are jointly
        normal. See also `persistence`.
    Source: Gaussian process regression with a covariance of sines, Rasmussen and Williams (2006),
        Gaussian Processes for Machine Learning, chapter 2, is the best forecast.

    Attributes:
        sines: the number of sines; at least 1.
        cycles: periods of the slowest sine within the length; above 0.
        noise: the standard deviation of the noise; above 0.
    """

    metric: ClassVar[Metric] = Metric.MSE

    sines: int = 4
    cycles: float = 2.0
    noise: float = 0.3

    def __post_init__(self) -> None:
        if self.sines < 1 or not self.cycles > 0 or not self.noise > 0:
            raise UserError("forecast needs at least 1 sine, and cycles and noise above 0.")

    def signature(self, length: int) -> Signature:
        lengths.require("forecast", length, 1)
        return Signature(Reals(), Reals(), Alignment.ALIGNED, length, length, causal=True)

    def sample(self, length: int, count: int, generator: torch.Generator, split: Split) -> Batch:
        self.signature(length)
        waves = _waves(length, self.sines, self.cycles)
        parts = torch.randn(count, len(waves), generator=generator)
        series = self.noise * torch.randn(count, length + 1, generator=generator)
        series.addmm_(parts, waves)
        return Batch(series[:, :-1, None], series[:, 1:, None])

    def chance(self, length: int) -> float:
        return 1 + self.noise**2

    def persistence(self, length: int) -> float:
        """The error of answering the last value again."""
        waves = _waves(length, self.sines, self.cycles)
        return float(waves.diff(dim=1).square().sum(0).mean()) + 2 * self.noise**2

    def optimum(self, length: int) -> float:
        factor = _factor(length, self.sines, self.cycles, self.noise)
        return float(factor.diagonal()[1:].square().mean())

    def oracle(self, length: int, source: Tensor, source_mask: Tensor | None) -> Tensor:
        """The mean of the next value given all before it, which are jointly normal."""
        factor = _factor(length, self.sines, self.cycles, self.noise)
        series = source[..., 0].double().T
        innovations: Tensor = torch.linalg.solve_triangular(factor[:-1, :-1], series, upper=False)
        return (factor[1:, :-1].tril() @ innovations).T[..., None].float()


@lru_cache(maxsize=8)
def _waves(length: int, sines: int, cycles: float) -> Tensor:
    """`(2 sines, length + 1)`: the two parts of every sine, of variance 1 together."""
    rate = 2 * pi * cycles / length * torch.arange(1, sines + 1, dtype=torch.float64)
    angle = rate[:, None] * torch.arange(length + 1)
    return (torch.cat([angle.cos(), angle.sin()]) / sqrt(sines)).float()


@lru_cache(maxsize=8)
def _factor(length: int, sines: int, cycles: float, noise: float) -> Tensor:
    """The Cholesky factor of the covariance of `length + 1` values, in double precision."""
    waves = _waves(length, sines, cycles).double()
    noises = noise**2 * torch.eye(length + 1, dtype=torch.float64)
    factor: Tensor = torch.linalg.cholesky(waves.T @ waves + noises)
    return factor


register("forecast", Forecast())
