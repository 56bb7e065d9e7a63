"""`brackets`: which brackets may come next."""

from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor
from torch.nn.functional import pad

from lagbench import (
    Alignment,
    Batch,
    DisplayNames,
    Signature,
    Split,
    Task,
    Tokens,
    UserError,
    register,
)
from lagbench.material import lengths
from lagbench.material.sampling import stable_order

_SIGNS = ("()", "[]", "{}", "<>", "«»", "‹›", "⌈⌉", "⌊⌋")


@dataclass(frozen=True)
class Brackets(Task):
    """Name the set of brackets that may come next, after every bracket.

    Data:
        (  [  ]  )  [  (  )   ->   +) ] +) + +] ) +]
        With 2 kinds up to depth 2; `+`: any may open. After `( [` only `]` may come, since no
        deeper bracket may open. A set is a number: 0 if no bracket is open, `1 + i` if kind `i` is
        the innermost open one, `1 + kinds + i` if it is and none may open. Opening brackets are
        symbols `0 … kinds - 1`, closing ones `kinds … 2 kinds - 1`.
    Length: brackets; at least 1, or 2 with a single kind. Brackets may stay open at the end.
    Lag: to the innermost open bracket; -1 if none is open.
    Chance: the most likely set at each step.
    Source: the language is Dyck-(k, m) of Hewitt et al. (2020), RNNs Can Generate Bounded
        Hierarchical Languages with Optimal Memory (arXiv:2010.07515), with k `kinds` (2, 8, 32,
        128) and m `depth` (3, 5), as drawn by its generator before a string may end: a bracket
        opens or closes with probability 1/2 where both are possible, and its kind is uniform. The
        question is that of Suzgun et al. (2019), Memory-Augmented Recurrent Neural Networks Can
        Learn Generalized Dyck Languages (arXiv:1911.03329), without a depth limit.

    Attributes:
        kinds: the number of kinds of brackets; at least 1.
        depth: the most brackets that are open at once; at least 1.
    """

    kinds: int = 8
    depth: int = 5

    def __post_init__(self) -> None:
        if self.kinds < 1 or self.depth < 1:
            raise UserError("brackets needs at least 1 kind and a depth of at least 1.")
        if self.kinds == self.depth == 1:
            raise UserError(
                "brackets needs 2 kinds or a depth of 2, else there is nothing to tell."
            )

    def signature(self, length: int) -> Signature:
        lengths.require("brackets", length, 2 if self.kinds == 1 else 1)
        return Signature(
            Tokens(2 * self.kinds),
            Tokens(1 + 2 * self.kinds),
            Alignment.ALIGNED,
            length,
            length,
            causal=True,
        )

    def sample(self, length: int, count: int, generator: torch.Generator, split: Split) -> Batch:
        self.signature(length)
        ways = 2 * torch.randint(2, (count, length), generator=generator) - 1
        level = _folds(length, self.depth)[ways.cumsum(1) + length]
        opens = level > pad(level, (1, -1))
        innermost = self._innermost(opens, level)
        kind = torch.randint(self.kinds, (count, length), generator=generator).gather(1, innermost)
        source = torch.where(opens, kind, pad(kind, (1, -1)) + self.kinds)
        lag = (torch.arange(1, length + 1) - innermost) * (level > 0) - 1
        return Batch(source, self._sets(kind, level), lag=lag)

    def chance(self, length: int) -> float:
        level = torch.zeros(self.depth + 1, dtype=torch.float64)
        level[0] = 1
        total = 0.0
        for _ in range(length):
            inner = level.clone()
            inner[1 : self.depth] /= 2
            level = torch.zeros_like(level)
            level[1:] += inner[:-1]
            level[:-1] += inner[1:]
            middle = level[1:-1].sum() / self.kinds
            total += float(torch.stack([level[0], middle, level[-1] / self.kinds]).max())
        return total / length

    def oracle(self, length: int, source: Tensor, source_mask: Tensor | None) -> Tensor:
        """Follow the depth, and find the innermost open bracket."""
        opens = source < self.kinds
        level = torch.where(opens, 1, -1).cumsum(1)
        return self._sets(source.gather(1, self._innermost(opens, level)), level)

    def display_names(self, length: int) -> DisplayNames:
        pairs = [_SIGNS[kind % len(_SIGNS)] for kind in range(self.kinds)]
        rounds = [str(kind // len(_SIGNS) or "") for kind in range(self.kinds)]
        opening, closing = (
            [pair[side] + again for pair, again in zip(pairs, rounds, strict=True)]
            for side in (0, 1)
        )
        return DisplayNames(
            [*opening, *closing], ["+", *(f"+{sign}" for sign in closing), *closing]
        )

    def _innermost(self, opens: Tensor, level: Tensor) -> Tensor:
        """`(B, T)`: the step that opened the innermost open bracket; anything where none is open.

        It is the last step that opened a bracket at this level: of the steps sorted by level, the
        last opening one up to each, since the first at every level but 0 opens.
        """
        order = stable_order(level)
        opening = opens.gather(1, order) * torch.arange(opens.shape[1])
        innermost = order.gather(1, opening.cummax(dim=1).values)
        return torch.empty_like(order).scatter_(1, order, innermost)

    def _sets(self, kind: Tensor, level: Tensor) -> Tensor:
        """`(B, T)` numbers of sets, of the kind of the innermost open bracket and the depth."""
        return (1 + kind + self.kinds * (level == self.depth)) * (level > 0)


@cache
def _folds(length: int, depth: int) -> Tensor:
    """What the places `-length … length` of a free walk become where it turns at 0 and `depth`.

    Folded at both: there, both of its ways become the only one possible.
    """
    free = torch.arange(-length, length + 1) % (2 * depth)
    return torch.minimum(free, 2 * depth - free)


register("brackets", Brackets())
