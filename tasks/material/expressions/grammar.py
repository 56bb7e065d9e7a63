"""Nested expressions such as `[MAX 2 9 [MIN 4 7 ] 0 ]`, drawn and evaluated by the thousand.

The grammar of Long Range Arena's ListOps: the root is an operator; below it, one argument in four
is an operator and the others are digits; at the deepest level, all are digits. Digits, operators
and numbers of arguments are uniform.

All expressions grow at once, level by level, and only their operators are kept while they grow,
since most expressions are rejected for their length. Values and lengths follow from the deepest
level up, places from the root down: a handful of array operations a level.
"""

from dataclasses import dataclass
from itertools import accumulate, pairwise

import torch
from torch import Tensor

DIGITS = 10
WORDS = (*map(str, range(DIGITS)), "[MIN", "[MAX", "[MED", "[SM", "]")
MIN, MAX, MED, SM, END = range(DIGITS, len(WORDS))
OPERATORS = 4
RARITY = 4  # below the root, one argument in so many is an operator: two coins both show heads
MOST_ARGUMENTS = 31  # two coins for each in an int64


@dataclass(frozen=True)
class Shapes:
    """The operators of many expressions, `(n,)` int64 each, level by level, parents in order.

    expression: which expression an operator is in; arguments: how many it has.
    nested: which of these are operators: bit `2 i` stands for argument `i`. The `j`-th of all
        nested arguments is the `j`-th operator after the roots.
    sizes: how many operators each level has; the first are the roots, one for each expression.
    """

    expression: Tensor
    arguments: Tensor
    nested: Tensor
    sizes: list[int]

    def levels(self) -> list[slice]:
        """The operators of each level, from the roots down."""
        return [slice(*ends) for ends in pairwise(accumulate(self.sizes, initial=0))]

    def choose(self, chosen: Tensor) -> "Shapes":
        """Some of the expressions alone, numbered by their places in `chosen`."""
        place = torch.full((self.sizes[0],), -1)
        place[chosen] = torch.arange(len(chosen))
        expression = place[self.expression]
        kept = (expression >= 0).nonzero().squeeze(1)
        ends = torch.tensor([level.stop for level in self.levels()])
        sizes = torch.searchsorted(kept, ends).diff(prepend=torch.zeros(1, dtype=torch.int64))
        return Shapes(expression[kept], self.arguments[kept], self.nested[kept], sizes.tolist())


def grow(
    count: int, depth: int, arguments: int, longest: int, generator: torch.Generator
) -> tuple[Shapes, Tensor]:
    """Draw the shapes of `count` expressions; return them and their numbers of tokens `(count,)`.

    Those that are sure to have more than `longest` tokens grow no further; their number of tokens
    is that of the part they have.
    """
    expression = torch.arange(count)
    tokens = torch.ones(count, dtype=torch.int64)  # of the root, before it becomes an operator
    levels = []
    for level in range(1, depth):
        drawn = torch.randint(2, arguments + 1, expression.shape, generator=generator)
        tokens.index_add_(0, expression, drawn + 1)  # an operator is a token, and ends with another
        nested = torch.zeros_like(drawn)
        if level < depth - 1:
            coins = torch.randint(4**arguments, expression.shape, generator=generator)
            heads = coins & (coins >> 1) & (4**arguments // 3)  # bits 0, 2, 4, …
            nested = heads & ((1 << 2 * drawn) - 1)
            nested *= (tokens <= longest)[expression]
        levels.append((expression, drawn, nested))
        parents = nested.nonzero().squeeze(1)
        expression = expression[parents].repeat_interleave(_bits(nested[parents]))
    sizes = [len(level[0]) for level in levels]
    owners, drawn, nested = (torch.cat(parts) for parts in zip(*levels, strict=True))
    return Shapes(owners, drawn, nested, sizes), tokens


def write(shapes: Shapes, longest: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw digits and operators; return tokens `(count, longest)` and values `(count,)`.

    After the end of an expression stand zeros.
    """
    operator = torch.randint(MIN, END, shapes.arguments.shape, generator=generator)
    owner = torch.repeat_interleave(shapes.arguments)  # of each argument, `(m,)`
    digit = torch.randint(DIGITS, owner.shape, generator=generator)
    eldest = shapes.arguments.cumsum(0) - shapes.arguments
    place = torch.arange(len(owner)) - eldest[owner]
    nested = (shapes.nested[owner] >> 2 * place) & 1
    within = nested.nonzero().squeeze(1)  # of each operator but the roots, among the arguments
    roots = shapes.sizes[0]
    parent = torch.nn.functional.pad(owner[within], (roots, 0))
    columns = DIGITS + 1  # nested arguments count in the last, until their values are known
    digit[within] = DIGITS
    cell = owner * columns + digit
    counts = torch.bincount(cell, minlength=len(operator) * columns).view(-1, columns)
    value, span = _evaluate(shapes, operator, counts[:, :DIGITS].contiguous(), parent)

    argument_span = torch.ones_like(owner)
    argument_span[within] = span[roots:]
    before = argument_span.cumsum(0) - argument_span
    first = before[eldest] - 1  # what to take from an argument's `before` for its operator's offset
    start = torch.cat([shapes.expression[:roots] * longest, before[within] - first[owner[within]]])
    for level in shapes.levels()[1:]:
        start[level] += start[parent[level]]
    tokens = torch.zeros(roots * longest, dtype=torch.int64)
    tokens.scatter_(0, before + (start - first)[owner], digit)
    tokens[start] = operator  # also where an argument is nested
    tokens[start + span - 1] = END
    return tokens.view(roots, longest), value[:roots]


def _evaluate(
    shapes: Shapes, operator: Tensor, counts: Tensor, parent: Tensor
) -> tuple[Tensor, Tensor]:
    """The values and the numbers of tokens of all operators `(n,)`.

    counts: `(n, 10)`, how many arguments are each digit; parent: `(n,)`, arbitrary for roots.
    """
    value, span = torch.empty_like(operator), 2 + counts.sum(1)
    low = torch.where(operator == MAX, shapes.arguments, 1)  # MIN, MAX, MED: the mean of two ranks
    low = torch.where(operator == MED, (shapes.arguments + 1) // 2, low)
    high = torch.where(operator == MED, shapes.arguments // 2 + 1, low)
    ranks = torch.stack([low, high], dim=1)
    ones = torch.ones_like(operator)
    for level in reversed(shapes.levels()):
        upto = counts[level].cumsum(1)
        ranked = torch.searchsorted(upto, ranks[level]).sum(1)
        total = -upto.sum(1) % DIGITS  # modulo 10: an argument is at most `v` for 10 - value `v`s
        value[level] = torch.where(operator[level] == SM, total, ranked // 2)
        if level.start > 0:  # not the roots: they are nobody's arguments
            cell = parent[level] * DIGITS + value[level]
            counts.view(-1).index_add_(0, cell, ones[level])
            span.index_add_(0, parent[level], span[level].clone())
    return value, span


def _bits(numbers: Tensor) -> Tensor:
    """How many bits are set, where no two neighbours are: sums in fields of 4, 8 and 64 bits."""
    numbers = (numbers & 0x3333333333333333) + (numbers >> 2 & 0x3333333333333333)
    numbers = (numbers + (numbers >> 4)) & 0x0F0F0F0F0F0F0F0F
    return (numbers * 0x0101010101010101) >> 56
