"""Sample without replacement and by weights, and sort, for batches."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


def distinct(size: int, shape: tuple[int, int], generator: torch.Generator) -> Tensor:
    """Draw `(B, K)` numbers below `size`, distinct within each row, uniformly.

    By the order of random keys if `K` is a fair part of `size`, else by rejection: numbers that
    repeat an earlier one of their row are drawn again, which favours no number.
    """
    if size <= 8 * shape[1]:
        return torch.rand(shape[0], size, generator=generator).topk(shape[1]).indices
    drawn = torch.randint(size, shape, generator=generator)
    while (repeated := _repeated(drawn)).any():
        again = torch.randint(size, (int(repeated.sum()),), generator=generator)
        drawn[repeated] = again
    return drawn


def deal(size: int, count: int, generator: torch.Generator) -> Tensor:
    """Draw `(count,)` numbers below `size`, without replacement until all have been drawn."""
    rounds = [torch.randperm(size, generator=generator) for _ in range(count // size)]
    return torch.cat([*rounds, distinct(size, (1, count % size), generator)[0]])


def _repeated(drawn: Tensor) -> Tensor:
    """Return which numbers repeat an earlier one of their row."""
    values, order = drawn.sort(dim=1, stable=True)
    repeats = torch.zeros_like(drawn, dtype=torch.bool)
    return repeats.scatter(1, order[:, 1:], values[:, 1:] == values[:, :-1])


def stable_order(keys: Tensor) -> Tensor:
    """Return `keys.argsort(dim=1, stable=True)` for keys `(B, T)` of 0 and above.

    About ten times as fast for keys below 65,536: NumPy has a radix sort for small integers.
    """
    small = keys.numpy().astype(np.min_scalar_type(int(keys.max())))
    return torch.from_numpy(small.argsort(axis=1, kind="stable"))


@dataclass(frozen=True)
class AliasTable:
    """Weighted sampling in constant time per draw (Walker 1977, Vose 1991).

    There are as many equally likely columns as outcomes, each divided between two outcomes.

    boundary: `(n,)` float64, the share of a column that belongs to the outcome of its number.
    outcomes: `(2 n,)` int64, the outcomes below the boundaries, then those above.
    """

    boundary: Tensor
    outcomes: Tensor

    @classmethod
    def of(cls, weights: Tensor) -> "AliasTable":
        """Build the table for weights `(n,)`: the excess of large weights fills small columns."""
        columns = len(weights)
        height = (weights * columns / weights.sum()).tolist()
        other = list(range(columns))
        small = [i for i in range(columns) if height[i] < 1]
        large = [i for i in range(columns) if height[i] >= 1]
        while small and large:
            low, high = small.pop(), large[-1]
            other[low] = high
            height[high] -= 1 - height[low]
            if height[high] < 1:
                small.append(large.pop())
        # columns left over have height 1, up to rounding
        boundary = torch.tensor(height, dtype=torch.float64)
        return cls(boundary, torch.tensor([*range(columns), *other]))

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """Draw outcomes `(count,)` int64."""
        columns = len(self.boundary)
        point = torch.rand(count, dtype=torch.float64, generator=generator).mul_(columns)
        column = point.long()
        above = point.frac_() >= self.boundary.index_select(0, column)
        return self.outcomes.index_select(0, column.add_(above, alpha=columns))
