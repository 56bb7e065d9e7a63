"""`sort`: say the symbols of a string in rising order."""

from dataclasses import dataclass

import torch
from scipy.special import bdtrc
from torch import Tensor

from lagbench import register
from lagbench.material import lengths
from lagbench.material.rewriting import Rewriting
from lagbench.material.sampling import stable_order


@dataclass(frozen=True)
class Sort(Rewriting):
    """Repeat the symbols in ascending order.

    Data:
        3 1 4 1 5  ->  1 1 3 4 5
    Length: symbols; at least 1.
    Lag: to the symbol that is repeated, the earlier of equal ones first.
    Chance: the most likely symbol, or `end`, at each target step.
    Source: Delétang et al. (2023), Neural Networks and the Chomsky Hierarchy (arXiv:2207.02098),
        whose "bucket sort" is `alphabet=5`; Graves, Wayne and Danihelka (2014), Neural Turing
        Machines (arXiv:1410.5401), sort by priority.

    Attributes:
        alphabet: the number of different symbols; at least 2.
        shortest: the shortest string as a share of the longest. Below 1, the strings of a batch
            have different lengths, uniformly, and an `end` symbol, number `alphabet`, closes each
            target.
    """

    def order(self, source: Tensor, steps: Tensor) -> Tensor:
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
