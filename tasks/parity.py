"""`parity`: whether the number of ones is odd."""

from dataclasses import dataclass

import torch
from torch import Tensor

from lagbench import Alignment, Batch, Signature, Split, Task, Tokens, register
from lagbench.material import lengths


@dataclass(frozen=True)
class Parity(Task):
    """Decide whether the number of ones is odd.

    Data:
        1 0 1 0 1 0 0  ->  1  (odd)
        0 1 1 1 1      ->  0  (even)
    Length: bits; at least 1.
    Lag: none; every bit decides as much as any other.
    Chance: 1/2.
    Source: the parity check of Delétang et al. (2023), Neural Networks and the Chomsky Hierarchy
        (arXiv:2207.02098). Its training lengths, uniform over 1 … 40, are `shortest=0` at length
        40; its test lengths, up to 500, are the default field at these lengths.

    Attributes:
        shortest: the shortest string as a share of the longest; below 1, lengths are uniform.
    """

    shortest: float = 1.0

    def __post_init__(self) -> None:
        lengths.require_share("parity", self.shortest)

    def signature(self, length: int) -> Signature:
        lengths.require("parity", length, 1)
        padded = lengths.minimum(length, self.shortest) < length
        return Signature(Tokens(2), Tokens(2), Alignment.POOLED, length, padded=padded)

    def sample(self, length: int, count: int, generator: torch.Generator, split: Split) -> Batch:
        source = torch.randint(2, (count, length), generator=generator)
        mask = None
        if self.signature(length).padded:
            mask = lengths.mask(lengths.draw(length, self.shortest, count, generator), length)
            source *= mask
        return Batch(source, source.sum(1, keepdim=True) % 2, mask)

    def chance(self, length: int) -> float:
        return 0.5

    def oracle(self, length: int, source: Tensor, source_mask: Tensor | None) -> Tensor:
        """Change sides at every one."""
        odd = torch.zeros(len(source), 1, dtype=torch.bool)
        real = torch.ones_like(source) if source_mask is None else source_mask
        for step in range(length):
            odd ^= (source[:, step, None] == 1) & real[:, step, None].bool()
        return odd.long()


register("parity", Parity())
