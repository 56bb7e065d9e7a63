"""`running_parity`: whether the ones so far are odd in number, at every step."""

from dataclasses import dataclass

import torch
from torch import Tensor

from lagbench import Alignment, Batch, Signature, Split, Task, Tokens, UserError, register
from lagbench.material import lengths


@dataclass(frozen=True)
class RunningParity(Task):
    """Decide at every step whether the number of ones so far is odd.

    Data:
        0 1 0 0 1 1 0 1  ->  0 1 1 1 0 1 1 0
    Length: bits; at least 1.
    Lag: none; a bit changes all later answers. One bit of state is enough at any length.
    Chance: 1/2; with rarer ones the more likely parity at each step, `(1 + |1 - 2 ones|^t) / 2`
        after `t` bits, averaged.
    Source: the parity check of Delétang et al. (2023), Neural Networks and the Chomsky Hierarchy
        (arXiv:2207.02098), asked at every step as by Grazzi et al. (2025), Unlocking State-Tracking
        in Linear RNNs Through Negative Eigenvalues (arXiv:2411.12537).

    Attributes:
        ones: the probability of a one; rare ones have to be remembered for longer.
    """

    ones: float = 0.5

    def __post_init__(self) -> None:
        if not 0 < self.ones < 1:
            raise UserError(
                f"running_parity needs a probability between 0 and 1 as ones, not {self.ones}."
            )

    def signature(self, length: int) -> Signature:
        lengths.require("running_parity", length, 1)
        bit = Tokens(2)
        return Signature(bit, bit, Alignment.ALIGNED, length, length, causal=True)

    def sample(self, length: int, count: int, generator: torch.Generator, split: Split) -> Batch:
        self.signature(length)
        source = (torch.rand(count, length, generator=generator) < self.ones).long()
        return Batch(source, self.oracle(length, source, None))

    def chance(self, length: int) -> float:
        drift = abs(1 - 2 * self.ones) ** torch.arange(1, length + 1, dtype=torch.float64)
        return float((1 + drift).mean() / 2)

    def oracle(self, length: int, source: Tensor, source_mask: Tensor | None) -> Tensor:
        """Count modulo 2."""
        return source.cumsum(1) & 1


register("running_parity", RunningParity())
