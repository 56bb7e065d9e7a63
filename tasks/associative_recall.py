"""`associative_recall`: pairs of keys and values, then keys whose values are asked for."""

from dataclasses import dataclass

import torch
from torch import Tensor

from lagbench import Alignment, Batch, Signature, Split, Task, Tokens, UserError, register
from lagbench.material import lengths
from lagbench.material.sampling import distinct


@dataclass(frozen=True)
class AssociativeRecall(Task):
    """Read pairs of keys and values, then give the value of every key that returns.

    Data:
        2 8 4 7 0 0 4 0 0 0 0 0 2 0 0 0  ->  _ _ _ _ _ _ 7 _ _ _ _ _ 8 _ _ _
        With `pairs=2,vocabulary=12`: 0 fills, keys are 1 to 5, values 6 to 11; `_` is not scored.
    Length: steps; at least `2 pairs (passes + 1)`.
    Lag: from a key's return to its value.
    Chance: `1 / ceil(vocabulary / 2)`, one of all values.
    Source: multi-query associative recall, Arora et al. (2023), Zoology: Measuring and Improving
        Recall in Efficient Language Models (arXiv:2312.04927), with its numbers and its power law
        of gaps. Its Figure 2 is `vocabulary=8192` (the preset `mqar`) with `pairs=4` at length 64,
        8 at 128, 16 at 256 and 64 at 512. Its `random_non_queries` is `noise`; `num_passes` of
        arXiv:2407.05483 is `passes`.

    Attributes:
        pairs: the number of pairs, at least 1; keys are distinct, and so are values.
        vocabulary: the number of symbols; the lower half are keys, and 0 fills.
        passes: how often all pairs are read before the queries; at least 1.
        power: `a` in the probability `~ g^(a - 1)` that a key returns in the `g`-th slot (of two
            steps) after the pairs; 1: uniform.
        noise: fill with symbols drawn from the whole vocabulary, instead of 0.
    """

    pairs: int = 4
    vocabulary: int = 64
    passes: int = 1
    power: float = 0.01
    noise: bool = False

    def __post_init__(self) -> None:
        if self.pairs < 1 or self.passes < 1:
            raise UserError("associative_recall needs at least 1 pair and 1 pass.")
        if self.vocabulary // 2 - 1 < self.pairs:
            raise UserError(
                f"associative_recall needs a vocabulary of at least {2 * self.pairs + 2} for "
                f"{self.pairs} pairs, not {self.vocabulary}."
            )

    @property
    def context(self) -> int:
        """How many steps the pairs take."""
        return 2 * self.pairs * self.passes

    def signature(self, length: int) -> Signature:
        lengths.require("associative_recall", length, self.context + 2 * self.pairs)
        space = Tokens(self.vocabulary)
        return Signature(space, space, Alignment.ALIGNED, length, length, causal=True)

    def sample(self, length: int, count: int, generator: torch.Generator, split: Split) -> Batch:
        self.signature(length)
        first, shape = self.vocabulary // 2, (count, self.pairs)
        keys = 1 + distinct(first - 1, shape, generator)
        values = first + distinct(self.vocabulary - first, shape, generator)
        places = self.context + 2 * self._gaps(length, count, generator)
        source = torch.zeros(count, length, dtype=torch.int64)
        source[:, : self.context] = torch.stack([keys, values], 2).flatten(1).repeat(1, self.passes)
        source.scatter_(1, places, keys)
        if self.noise:
            fill = torch.randint(self.vocabulary, source.shape, generator=generator)
            source = torch.where(source == 0, fill, source)
        target = torch.zeros_like(source).scatter_(1, places, values)
        stored = self.context - 2 * self.pairs + 1 + 2 * torch.arange(self.pairs)
        lag = torch.full_like(source, -1).scatter_(1, places, places - stored)
        return Batch(source, target, target_mask=lag >= 0, lag=lag)

    def chance(self, length: int) -> float:
        return 1 / (self.vocabulary - self.vocabulary // 2)

    def oracle(self, length: int, source: Tensor, source_mask: Tensor | None) -> Tensor:
        """Look every symbol up among the keys."""
        keys, values = source[:, : 2 * self.pairs : 2], source[:, 1 : 2 * self.pairs : 2]
        answer = torch.zeros_like(source)
        for key, value in zip(keys.T, values.T, strict=True):
            answer = torch.where(source == key[:, None], value[:, None], answer)
        return answer

    def _gaps(self, length: int, count: int, generator: torch.Generator) -> Tensor:
        """`(B, pairs)` different places, drawn one after another in proportion to the power law.

        The greatest of `u^(1/w)` for uniform `u` are just that (Efraimidis and Spirakis 2006).
        """
        weight = torch.arange(1, (length - self.context) // 2 + 1) ** (self.power - 1.0)
        keys = torch.rand(count, len(weight), generator=generator).log() / weight
        return keys.topk(self.pairs).indices


register("associative_recall", AssociativeRecall())
register("mqar", AssociativeRecall(vocabulary=8192))
