"""`listops`: the value of a deeply nested expression."""

from dataclasses import dataclass
from math import sqrt
from typing import ClassVar

import torch
from torch import Tensor

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
from lagbench.material.expressions import distribution, grammar
from lagbench.material.expressions.grammar import DIGITS, END, WORDS

_RAREST = 1e-3  # the least share of expressions that must have an allowed length
_PROPOSALS = 2**15  # expressions drawn at once, at most


@dataclass(frozen=True)
class ListOps(Task):
    """Evaluate a nested expression of MIN, MAX, MED (median, rounded down) and SM (sum modulo 10).

    Data:
        [MAX 2 9 [MIN 4 7 ] 0 ]   ->  9
        [SM 5 [MED 8 1 4 2 ] 9 ]  ->  7
    Length: bounds the number of tokens, which is random: of the expressions of the grammar (see
        `lagbench.material.expressions.grammar`), those with a number of tokens strictly between
        `shortest` of the length and the length are kept.
    Lag: none; many tokens decide together.
    Chance: the share of the most frequent value, about 0.16, computed exactly.
    Source: Nangia and Bowman (2018), ListOps: A Diagnostic Dataset for Latent Tree Learning
        (arXiv:1804.06028), as in Tay et al. (2021), Long Range Arena (arXiv:2011.04006): the
        default fields at length 2000, 501 to 1999 tokens, without redundant parentheses.

    Attributes:
        max_depth: levels of the tree, digits included; at least 2.
        max_args: the most arguments of an operator, from 2 to 31.
        shortest: the share of the length, rounded, that expressions must exceed.
    """

    version: ClassVar[int] = 2

    max_depth: int = 10
    max_args: int = 10
    shortest: float = 0.25

    def __post_init__(self) -> None:
        if self.max_depth < 2:
            raise UserError(f"listops needs a max_depth of at least 2, not {self.max_depth}.")
        if not 2 <= self.max_args <= grammar.MOST_ARGUMENTS:
            raise UserError(
                f"listops needs a max_args from 2 to {grammar.MOST_ARGUMENTS}, not {self.max_args}."
            )
        lengths.require_share("listops", self.shortest)

    def signature(self, length: int) -> Signature:
        lengths.require("listops", length, 5)
        if self._share(length) < _RAREST:
            raise UserError(
                f"listops with max_depth={self.max_depth} and max_args={self.max_args} has hardly "
                f"any expressions of {self._least(length) + 1} to {length - 1} tokens."
            )
        return Signature(Tokens(len(WORDS)), Tokens(DIGITS), Alignment.POOLED, length, padded=True)

    def sample(self, length: int, count: int, generator: torch.Generator, split: Split) -> Batch:
        self.signature(length)
        rounds, missing = [], count
        while missing > 0:
            rounds.append(self._drawn(length, missing, generator))
            missing -= len(rounds[-1][0])
        source, values, tokens = (
            torch.cat(parts) if len(parts) > 1 else parts[0] for parts in zip(*rounds, strict=True)
        )
        return Batch(source, values[:, None], lengths.mask(tokens, length))

    def chance(self, length: int) -> float:
        values = distribution.values(self.max_depth, self.max_args, length)
        shares = values[:, self._least(length) + 1 : length].sum(1)
        return float(shares.max() / shares.sum())

    def oracle(self, length: int, source: Tensor, source_mask: Tensor | None) -> Tensor:
        """Read each expression with a stack."""
        real = lengths.real_steps(source, source_mask).tolist()
        rows = zip(source.tolist(), real, strict=True)
        return torch.tensor([[_value(row[:steps])] for row, steps in rows])

    def display_names(self, length: int) -> DisplayNames:
        return DisplayNames(WORDS)

    def _least(self, length: int) -> int:
        return round(self.shortest * length)

    def _share(self, length: int) -> float:
        """How many of all expressions have an allowed number of tokens."""
        shares = distribution.lengths(self.max_depth, self.max_args, length)
        return float(shares[self._least(length) + 1 : length].sum())

    def _drawn(
        self, length: int, most: int, generator: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        """At most `most` expressions: tokens, values, and numbers of tokens."""
        least, longest = self._least(length), length - 1
        law = distribution.tilted(self.max_depth, self.max_args, least, longest)
        count = min(_PROPOSALS, int((most + 2 * sqrt(most)) / law.share) + 1)
        shapes, tokens = grammar.grow(count, law, longest, generator)
        kept = law.kept.index_select(0, tokens.clamp(max=length))
        luck = torch.rand(count, dtype=torch.float64, generator=generator)
        chosen = (luck < kept).nonzero().squeeze(1)[:most]
        return (*grammar.write(shapes.choose(chosen), length, generator), tokens[chosen])


def _value(tokens: list[int]) -> int:
    """The value of one expression; the obvious way, to compare the fast one with."""
    stack: list[list[int]] = [[]]
    for token in tokens:
        if token == END:
            operator, *arguments = stack.pop()
            stack[-1].append(_applied(operator, sorted(arguments)))
        elif token < DIGITS:
            stack[-1].append(token)
        else:
            stack.append([token])
    return stack[0][0]


def _applied(operator: int, arguments: list[int]) -> int:
    """One operator on its arguments in ascending order."""
    middle = len(arguments) // 2
    match operator:
        case grammar.MIN:
            return arguments[0]
        case grammar.MAX:
            return arguments[-1]
        case grammar.MED:
            return (arguments[middle] + arguments[~middle]) // 2
        case _:
            return sum(arguments) % DIGITS


register("listops", ListOps())
