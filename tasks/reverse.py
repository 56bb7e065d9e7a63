"""`reverse`: say a string backwards."""

from dataclasses import dataclass

import torch
from torch import Tensor

from lagbench.material.rewriting import Rewriting
from lagbench.registry import register


@dataclass(frozen=True)
class Reverse(Rewriting):
    """Say the string backwards.

    Data, at length 5: `3 1 4 1 5  ->  5 1 4 1 3`.

    Length: symbols; at least 1.
    Lag: 1, 3, 5, … for the first, second, third symbol said. Chance: as for `copy`.

    Source: Delétang et al. (2023), Neural Networks and the Chomsky Hierarchy (arXiv:2207.02098),
    whose "reverse string" is `alphabet=2`. Reading backwards so that the first lags are short is
    the trick of Sutskever, Vinyals and Le (2014), Sequence to Sequence Learning (arXiv:1409.3215).

    Attributes:
        alphabet: how many symbols there are; at least 2.
        shortest: the shortest string as a share of the longest. Below 1, strings differ in length,
            uniformly, and an `end` symbol, number `alphabet`, closes each target.
    """

    def order(self, source: Tensor, steps: Tensor) -> Tensor:
        """Last to first."""
        return (steps[:, None] - 1 - torch.arange(source.shape[1])).clamp(min=0)


register("reverse", Reverse())
