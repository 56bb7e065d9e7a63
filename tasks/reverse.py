"""`reverse`: say a string backwards."""

from dataclasses import dataclass

import torch
from torch import Tensor

from lagbench import register
from lagbench.material.rewriting import Rewriting


@dataclass(frozen=True)
class Reverse(Rewriting):
    """Repeat the string backwards.

    Data:
        3 1 4 1 5  ->  5 1 4 1 3
    Length: symbols; at least 1.
    Lag: 1, 3, 5, … for the target steps in order.
    Chance: `1 / alphabet`; if lengths vary, that or `end`, whichever is more likely at a target
        step.
    Source: Delétang et al. (2023), Neural Networks and the Chomsky Hierarchy (arXiv:2207.02098),
        whose "reverse string" is `alphabet=2`. Reading backwards so that the first lags are short
        is the trick of Sutskever, Vinyals and Le (2014), Sequence to Sequence Learning
        (arXiv:1409.3215).

    Attributes:
        alphabet: the number of different symbols; at least 2.
        shortest: the shortest string as a share of the longest. Below 1, the strings of a batch
            have different lengths, uniformly, and an `end` symbol, number `alphabet`, closes each
            target.
    """

    def order(self, source: Tensor, steps: Tensor) -> Tensor:
        return (steps[:, None] - 1 - torch.arange(source.shape[1])).clamp(min=0)


register("reverse", Reverse())
