"""`parity`: whether the number of ones is odd."""

from dataclasses import dataclass

import torch
from torch import Tensor

from lagbench.contract import Alignment, Batch, Signature, Split, Task, Tokens
from lagbench.material import lengths
from lagbench.registry import register


@dataclass(frozen=True)
class Parity(Task):
    """After the last bit: is the number of ones odd?

        1 0 1 0 1 0 0  ->  odd  (1)
        0 1 1 1 1      ->  even (0)

    The length is the number of bits (the longest's, where `shortest` is below 1). Every bit decides
    as much as every other, so there are no lags. Half of the answers are odd at every length.

    Source: the parity check of Delétang et al. 2023, "Neural Networks and the Chomsky Hierarchy"
    (arXiv:2207.02098): the same strings and classes. They train on lengths uniform over 1 … 40,
    which is `shortest=0` at length 40, and test on single lengths up to 500, which is the
    default field at these lengths.

    shortest: the shortest string as a share of the longest; below 1, lengths are uniform.
    """

    shortest: float = 1.0

    def __post_init__(self) -> None:
        lengths.require_share("parity", self.shortest)

    def signature(self, length: int) -> Signature:
        """Bits -> one bit; `UserError` below 1."""
        lengths.require("parity", length, 1)
        padded = lengths.minimum(length, self.shortest) < length
        return Signature(Tokens(2), Tokens(2), Alignment.POOLED, length, padded=padded)

    def sample(self, length: int, count: int, generator: torch.Generator, split: Split) -> Batch:
        """Draw fair bits."""
        source = torch.randint(2, (count, length), generator=generator)
        mask = None
        if self.signature(length).padded:
            mask = lengths.mask(lengths.draw(length, self.shortest, count, generator), length)
            source *= mask
        return Batch(source, source.sum(1, keepdim=True) % 2, mask)

    def chance(self, length: int) -> float:
        """Odd and even are as likely, since each bit is fair."""
        return 0.5

    def oracle(self, length: int, source: Tensor, source_mask: Tensor | None) -> Tensor:
        """Change sides at every one."""
        odd = torch.zeros(len(source), 1, dtype=torch.bool)
        real = torch.ones_like(source) if source_mask is None else source_mask
        for step in range(length):
            odd ^= (source[:, step, None] == 1) & real[:, step, None].bool()
        return odd.long()


register("parity", Parity())
