"""`adding`: the sum of the two marked numbers of a long list."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from lagbench import Alignment, Batch, Metric, Reals, Signature, Split, Task, register
from lagbench.material import lengths


@dataclass(frozen=True)
class Adding(Task):
    """Add the two marked numbers.

    Data:
        value   0.31  0.52  0.90  0.17  0.08  0.66
        marker  0     1     0     0     1     0     ->  0.60
        Values are uniform over 0 … 1.
    Length: steps; at least 2.
    Lag: to the first marker. Both numbers decide, and the second is nearer.
    Chance: 1/6, the variance of the target: the error of always answering 1.
    Source: Hochreiter and Schmidhuber (1997), Long Short-Term Memory, Neural Computation 9(8), in
        its present form. `markers=halves` is that of Arjovsky, Shah and Bengio (2016), Unitary
        Evolution Recurrent Neural Networks (arXiv:1511.06464); `markers=anywhere` at lengths 200,
        400 and 600 that of Bai, Kolter and Koltun (2018), An Empirical Evaluation of Generic
        Convolutional and Recurrent Networks for Sequence Modeling (TCN, arXiv:1803.01271).

    Attributes:
        markers: "halves": one in each half (of an odd number of steps, the first half is the
            shorter); "anywhere": at two different steps, all pairs equally likely.
    """

    metric: ClassVar[Metric] = Metric.MSE

    markers: Literal["halves", "anywhere"] = "halves"

    def signature(self, length: int) -> Signature:
        lengths.require("adding", length, 2)
        return Signature(Reals(2), Reals(1), Alignment.POOLED, length)

    def sample(self, length: int, count: int, generator: torch.Generator, split: Split) -> Batch:
        self.signature(length)
        values = torch.rand(count, length, generator=generator)
        places = self._places(length, count, generator)
        markers = torch.zeros(count, length).scatter_(1, places, 1)
        target = values.gather(1, places).sum(1).view(count, 1, 1)
        lag = length - 1 - places.amin(1, keepdim=True)
        return Batch(torch.stack([values, markers], dim=2), target, lag=lag)

    def _places(self, length: int, count: int, generator: torch.Generator) -> Tensor:
        """The two marked steps, `(count, 2)`."""
        half = length // 2 if self.markers == "halves" else length
        first = torch.randint(half, (count, 1), generator=generator)
        if self.markers == "halves":
            second = half + torch.randint(length - half, (count, 1), generator=generator)
        else:
            second = torch.randint(length - 1, (count, 1), generator=generator)
            second = second + (second >= first)  # skips the first, so that every pair is as likely
        return torch.cat([first, second], dim=1)

    def chance(self, length: int) -> float:
        return 1 / 6

    def oracle(self, length: int, source: Tensor, source_mask: Tensor | None) -> Tensor:
        """Sum value times marker."""
        return source.prod(2).sum(1).view(-1, 1, 1)


register("adding", Adding())
