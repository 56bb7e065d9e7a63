"""Draw outcomes by their weights in constant time each: Walker 1977, Vose 1991."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Alias:
    """As many columns as outcomes, all as likely, and in each a boundary between two outcomes.

    boundary: `(n,)` float64, the share of a column that is its own outcome's.
    outcomes: `(2 n,)` int64, what stands below the boundaries, then what stands above.
    """

    boundary: Tensor
    outcomes: Tensor

    @classmethod
    def of(cls, weights: Tensor) -> "Alias":
        """The columns for weights `(n,)`: what a large one has too much fills up a small one."""
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
        # what is left over has the height 1, but for rounding, and is its own other outcome
        boundary = torch.tensor(height, dtype=torch.float64)
        return cls(boundary, torch.tensor([*range(columns), *other]))

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """`(count,)` int64 outcomes."""
        columns = len(self.boundary)
        point = torch.rand(count, dtype=torch.float64, generator=generator).mul_(columns)
        column = point.long()
        above = point.frac_() >= self.boundary.index_select(0, column)
        return self.outcomes.index_select(0, column.add_(above, alpha=columns))
