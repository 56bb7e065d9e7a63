"""`sort`: say the symbols of a string in rising order."""

from dataclasses import dataclass

import torch
from scipy.special import bdtrc
from torch import Tensor

from lagbench.material import lengths
from lagbench.material.rewriting import Rewriting
from lagbench.material.sampling import stable_order
from lagbench.registry import register


@dataclass(frozen=True)
class Sort(Rewriting):
    """Say the symbols in rising order.

    Data, at length 5: `3 1 4 1 5  ->  1 1 3 4 5`.

    Length: symbols; at least 1.
    Lag: back to the symbol that is said, the earlier of two equal ones first. Chance: the likeliest
    symbol at each place in the order.

    Source: Delétang et al. (2023), Neural Networks and the Chomsky Hierarchy (arXiv:2207.02098),
    whose "bucket sort" is `alphabet=5`; Graves, Wayne and Danihelka (2014), Neural Turing Machines,
    sort by priority.

    Attributes:
        alphabet: how many symbols there are; at least 2.
        shortest: the shortest string as a share of the longest. Below 1, strings differ in length,
            uniformly, and an `end` symbol, number `alphabet`, closes each target.
    """

    def order(self, source: Tensor, steps: Tensor) -> Tensor:
        """Stable, padding last."""
        padding = ~lengths.mask(steps, source.shape[1])
        return stable_order(source.masked_fill(padding, self.alphabet))

    def frequencies(self, steps: int) -> Tensor:
        """How the order statistics of uniform symbols are distributed.

        The `u`-th smallest is at most `v` where more than `u` of the symbols are.
        """
        rank = torch.arange(steps, dtype=torch.float64)[:, None]
        share = torch.arange(1, self.alphabet, dtype=torch.float64) / self.alphabet
        below = torch.as_tensor(bdtrc(rank.numpy(), steps, share.numpy()))
        return torch.nn.functional.pad(below, (1, 0)).diff(
            dim=1, append=torch.ones(steps, 1, dtype=torch.float64)
        )


register("sort", Sort())
