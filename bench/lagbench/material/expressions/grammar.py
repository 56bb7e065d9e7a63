"""Nested expressions such as `[MAX 2 9 [MIN 4 7 ] 0 ]`, drawn and evaluated by the thousand.

The grammar of Long Range Arena's ListOps: the root is an operator; below it, one argument in four
is an operator and the others are digits; at the deepest level, all are digits. Digits, operators
and numbers of arguments are uniform.

All expressions grow at once, level by level, and only their operators are kept while they grow,
since most expressions are rejected for their length. Values and lengths follow from the deepest
level up, places from the root down: a handful of array operations a level.

What grows is drawn from a tilted grammar, in which hopelessly long expressions are rare: Duchon et
al. 2004, "Boltzmann Samplers for the Random Generation of Combinatorial Structures".
"""

from dataclasses import dataclass
from itertools import accumulate, pairwise

import torch
from torch import Tensor

from lagbench.material.sampling import AliasTable

DIGITS = 10
WORDS = (*map(str, range(DIGITS)), "[MIN", "[MAX", "[MED", "[SM", "]")
MIN, MAX, MED, SM, END = range(DIGITS, len(WORDS))
OPERATORS = 4
RARITY = 4  # below the root, one argument in so many is an operator
MOST_ARGUMENTS = 31  # the exact distribution holds as many powers of its series


@dataclass(frozen=True)
class Tilted:
    """The grammar with other weights of the lengths, and what to keep of its expressions.

    Among expressions of as many tokens, all are as likely as in the grammar.

    arguments, nested: of each kind of operator, how many arguments it has, and how many of these
        are operators; `(kinds,)` int64.
    levels: which kinds the operators of a level are, from the roots down.
    kept: `(longest + 2,)` float64, with what probability to keep an expression of `n` tokens, so
        that those left are as likely as in the grammar; the last stands for all lengths beyond.
    share: how much of what is drawn is left then.
    """

    arguments: Tensor
    nested: Tensor
    levels: tuple[AliasTable, ...]
    kept: Tensor
    share: float


@dataclass(frozen=True)
class Shapes:
    """The operators of many expressions, `(n,)` int64 each, level by level, parents in order.

    expression: which expression an operator is in; arguments: how many it has.
    nested: how many of these are operators, which follow in the order of their parents.
    ends: up to where the operators of each level go; the first are the roots, one an expression.
    """

    expression: Tensor
    arguments: Tensor
    nested: Tensor
    ends: list[int]

    def levels(self) -> list[slice]:
        """The operators of each level that has any, from the roots down."""
        return [slice(start, end) for start, end in pairwise([0, *self.ends]) if start < end]

    def choose(self, chosen: Tensor) -> "Shapes":
        """Some of the expressions alone, numbered by their places in `chosen`."""
        index = torch.full((self.ends[0],), -1)
        index.index_copy_(0, chosen, torch.arange(len(chosen)))
        expression = index.index_select(0, self.expression)
        kept = (expression >= 0).nonzero().squeeze(1)
        ends = torch.searchsorted(kept, torch.tensor(self.ends))
        columns = (expression, self.arguments, self.nested)
        expression, arguments, nested = (column.index_select(0, kept) for column in columns)
        return Shapes(expression, arguments, nested, ends.tolist())


def grow(
    count: int, law: Tilted, longest: int, generator: torch.Generator
) -> tuple[Shapes, Tensor]:
    """Draw the shapes of `count` expressions; return them and their numbers of tokens `(count,)`.

    Those that are sure to have more than `longest` tokens grow no further; their number of tokens
    is that of the part they have.
    """
    expression = torch.arange(count)
    tokens = torch.ones_like(expression)  # of the root, before it becomes an operator
    levels = []
    for level in law.levels:
        kind = level.draw(len(expression), generator)
        drawn, nested = law.arguments.index_select(0, kind), law.nested.index_select(0, kind)
        tokens.index_add_(0, expression, drawn + 1)  # an operator is a token, and ends with another
        nested.masked_fill_(tokens.index_select(0, expression) > longest, 0)
        levels.append((expression, drawn, nested))
        expression = expression.repeat_interleave(nested)
    ends = list(accumulate(len(level[0]) for level in levels))
    owners, drawn, nested = (torch.cat(parts) for parts in zip(*levels, strict=True))
    return Shapes(owners, drawn, nested, ends), tokens


def write(shapes: Shapes, longest: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw digits and operators; return tokens `(count, longest)` and values `(count,)`.

    After the end of an expression stand zeros.
    """
    roots, operators = shapes.ends[0], len(shapes.arguments)
    operator = torch.randint(MIN, END, (operators,), generator=generator)
    owner = torch.repeat_interleave(shapes.arguments)  # of each argument, `(m,)`
    digit = torch.randint(DIGITS, owner.shape, generator=generator)
    parent = torch.repeat_interleave(shapes.nested)  # of each operator but the roots
    eldest = shapes.arguments.cumsum(0) - shapes.arguments
    within = _nested(shapes, eldest, parent, generator)  # of each operator but the roots
    digit.index_fill_(0, within, DIGITS)  # counted apart, until their values are known
    cell, unit = torch.add(owner, digit, alpha=operators), torch.ones_like(owner, dtype=torch.int16)
    counts = torch.zeros((DIGITS + 1) * operators, dtype=torch.int16).scatter_add_(0, cell, unit)
    value, span = _evaluate(shapes, operator, counts[: DIGITS * operators], parent)

    argument_span = torch.ones_like(owner).scatter_(0, within, span[roots:])
    before = argument_span.cumsum(0) - argument_span
    first = before.index_select(0, eldest) - 1  # what to take from `before` for the offset
    offset = before.index_select(0, within) - first.index_select(0, parent)
    start = torch.cat([torch.arange(roots) * longest, offset])
    for level in shapes.levels()[1:]:
        above = parent[level.start - roots : level.stop - roots]
        start[level].add_(start.index_select(0, above))
    tokens = torch.zeros(roots * longest, dtype=torch.int64)
    tokens.scatter_(0, before.add_((start - first).index_select(0, owner)), digit)
    tokens.scatter_(0, start, operator)  # also where an argument is nested
    tokens.index_fill_(0, start + span - 1, END)
    return tokens.view(roots, longest), value[:roots].long()


def _nested(shapes: Shapes, eldest: Tensor, parent: Tensor, generator: torch.Generator) -> Tensor:
    """Which of all arguments each operator but the roots is: a random subset of its parent's.

    By Floyd's algorithm: the `i`-th of `c` among `k` draws one of the first `k - c + i`, and takes
    the last of these where an elder sibling has what it drew.

    eldest: `(n,)`, the first argument of each operator; parent: `(n - roots,)`, of all but roots.
    """
    arguments, nested = shapes.arguments, shapes.nested
    before = nested.cumsum(0) - nested
    first = eldest.index_select(0, parent)
    choices = (arguments - nested + 1 - before).index_select(0, parent) + torch.arange(len(parent))
    uniform = torch.rand(parent.shape, dtype=torch.float64, generator=generator)
    chosen_arguments, last = first + (uniform * choices).long(), first + choices - 1
    used = torch.zeros(int(arguments.sum()), dtype=torch.bool)
    followed = parent.diff(append=torch.tensor([-1])) == 0  # by a sibling
    now = before.masked_select(nested > 1)  # the eldest; without siblings, all are distinct
    while len(now):
        drawn = chosen_arguments.index_select(0, now)
        distinct = torch.where(used.index_select(0, drawn), last.index_select(0, now), drawn)
        used.index_fill_(0, distinct, True)
        chosen_arguments.index_copy_(0, now, distinct)
        now = now.masked_select(followed.index_select(0, now)) + 1
    return chosen_arguments


def _evaluate(
    shapes: Shapes, operator: Tensor, counts: Tensor, parent: Tensor
) -> tuple[Tensor, Tensor]:
    """The values (int16) and the numbers of tokens of all operators `(n,)`.

    counts: `(10 n,)`, how many arguments are 0, of each operator, then how many are 1, and so on.
    parent: `(n - roots,)`, of each operator but the roots.
    """
    roots, operators = shapes.ends[0], len(operator)
    table, span = counts.view(DIGITS, operators), 2 + shapes.arguments - shapes.nested
    # Twice a value is a sum over all digits `v`: where `n` of the `k` arguments are at most `v`, of
    # 2 - 2n for MIN, 2k - 2n for MAX, k + 1 - 2n for MED, each from 0 to 2, and of 2k - 2n for SM.
    arguments = shapes.arguments.to(torch.int16)  # faster so
    bound = torch.where(operator == MED, arguments + 1, 2 * arguments)
    bound = torch.where(operator == MIN, 2, bound)
    most = torch.where(operator == SM, bound, 2)
    value, ones = torch.empty_like(arguments), torch.ones_like(arguments)
    for level in reversed(shapes.levels()):
        upto = table[:, level].cumsum(0, dtype=torch.int16)
        terms = torch.sub(bound[level], upto, alpha=2).clamp_min_(0).clamp_max_(most[level])
        chosen_arguments = torch.remainder(
            terms.sum(0, dtype=torch.int16) >> 1, DIGITS, out=value[level]
        )
        if level.start > 0:  # not the roots: they are nobody's arguments
            above = parent[level.start - roots : level.stop - roots]
            counts.index_add_(0, torch.add(above, chosen_arguments, alpha=operators), ones[level])
            span.index_add_(0, above, span[level].clone())
    return value, span
