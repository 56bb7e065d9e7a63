"""`addition`: the sum of two numbers, digit by digit."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from lagbench import Alignment, Batch, DisplayNames, Signature, Split, Task, Tokens, register
from lagbench.material import lengths

PLUS = END = 10


@dataclass(frozen=True)
class Addition(Task):
    """Add two decimal numbers, digit by digit.

    Data:
        535+61  ->  596.
        Symbols are digits, and 10 for `+` in the source and for the `end` symbol (`.`) in the
        target. Numbers have no leading zeros; their lengths and digits are independent and uniform.
    Length: the most source steps, two numbers of up to `(T - 1) // 2` digits and a plus; at least
        3. An even length gives the same data as the odd one below it.
    Lag: none; two digits and all that carry into them decide.
    Chance: the most likely digit, or `end`, at each target step.
    Source: Zaremba and Sutskever (2014), Learning to Execute (arXiv:1410.4615), section 4, where
        both numbers have the same number of digits.

    Attributes:
        shortest: the fewest digits of a number as a share of the most.
    """

    shortest: float = 0.5

    def __post_init__(self) -> None:
        lengths.require_share("addition", self.shortest)

    def signature(self, length: int) -> Signature:
        lengths.require("addition", length, 3)
        most = (length - 1) // 2
        return Signature(
            Tokens(11),
            Tokens(11, end=END),
            Alignment.FREE,
            steps=2 * most + 1,
            target_steps=most + 2,
            padded=True,  # of numbers that are all as long, too, some sums are longer
        )

    def sample(self, length: int, count: int, generator: torch.Generator, split: Split) -> Batch:
        steps = self.signature(length).steps
        most = steps // 2
        first = lengths.draw(most, self.shortest, count, generator)
        second = lengths.draw(most, self.shortest, count, generator)
        numbers = torch.randint(10, (count, steps), generator=generator)
        leading = torch.randint(1, 10, (count, 2), generator=generator)
        real = lengths.mask(first + second + 1, steps)
        numbers *= real
        numbers.scatter_(1, torch.stack([torch.zeros_like(first), first + 1], 1), leading)
        source = numbers.scatter_(1, first[:, None], PLUS)
        target, digits = _added(source, first, second)
        asked = lengths.mask(digits + 1, target.shape[1])
        return Batch(source, target, real, asked)

    def chance(self, length: int) -> float:
        most = (length - 1) // 2
        digits, ends = _places(most, lengths.minimum(most, self.shortest))
        return float(torch.maximum(digits.amax(1), ends).sum() / (digits.sum() + ends.sum()))

    def oracle(self, length: int, source: Tensor, source_mask: Tensor | None) -> Tensor:
        """Find the plus, and add."""
        steps = lengths.real_steps(source, source_mask)
        first = (source == PLUS).int().argmax(dim=1)
        return _added(source, first, steps - first - 1)[0]

    def display_names(self, length: int) -> DisplayNames:
        return DisplayNames("0123456789+", "0123456789.")


def _added(source: Tensor, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """The sum `(B, D + 2)` with its end, zeros after it, and how many digits it has, `(B,)`.

    first, second: how many digits the numbers in a source `(B, 2 D + 1)` have, `(B,)`.
    """
    most = source.shape[1] // 2
    value = torch.arange(most + 1)  # of a place: ones are 0
    total = _digits(source, first - 1, first) + _digits(source, first + second, second)
    decides = ((total != 9) * (value + 1)).cummax(dim=1).values  # 9 hands on what it is handed
    carries = pad(total > 9, (1, 0)).gather(1, decides)
    written = total + pad(carries, (1, -1))
    written -= 10 * (written > 9)
    digits = torch.maximum(first, second)
    digits = digits + written.gather(1, digits[:, None])[:, 0]  # a last carry is a 1 before all
    position = (
        digits[:, None] - 1 - torch.arange(most + 2)
    )  # the first written is the last carried to
    target = written.gather(1, position.clamp(min=0)) * (position >= 0)
    return target.scatter_(1, digits[:, None], END), digits


def _digits(source: Tensor, last: Tensor, digits: Tensor) -> Tensor:
    """`(B, D + 1)`: the digits of the numbers that end at `last` `(B,)`, ones first, then zeros."""
    steps = source.shape[1] // 2 + 1
    position = (last[:, None] - torch.arange(steps)).clamp(min=0)
    return source.gather(1, position) * lengths.mask(digits, steps)


def _places(most: int, least: int) -> tuple[Tensor, Tensor]:
    """How likely each digit stands at each place of a sum, `(D + 1, 10)`, and the end `(D + 2,)`.

    A chain over the values of places, ones first. Its states are whether either number has a digit
    there (and so not only a carry), and the carry: 8, of which 0 is that the sum has ended.
    """
    moves = [_moves(value, most, least) for value in range(most + 1)]
    reached = [
        torch.eye(8, dtype=torch.float64)[6]
    ]  # both numbers have a digit, nothing is carried
    for move in moves:
        reached.append(reached[-1] @ move.sum(2))
        reached[-1][0] = 0
    further = torch.zeros(8, most + 2, dtype=torch.float64)  # how many digits are still to come
    further[0, 0] = 1
    digits = torch.zeros(10, most + 2, dtype=torch.float64)
    for move, state in zip(reversed(moves), reversed(reached[:-1]), strict=True):
        digits += torch.einsum("s,stv,tn->vn", state, move, further)
        further = pad(move.sum(2) @ further, (1, -1))
        further[0] = 0
        further[0, 0] = 1
    return pad(digits.T[:-1], (0, 0, 0, 1)), further[6]


def _moves(value: int, most: int, least: int) -> Tensor:
    """`(8, 8, 10)`: how likely, from each state, the next one is and a digit is written."""
    leading = 1 / (most - value) if least <= value + 1 <= most else 0.0
    number = torch.zeros(2, 2, 10, dtype=torch.float64)  # has a digit here, has a next one, digit
    number[0, 0, 0] = 1
    number[1, 0, 1:] = leading / 9
    number[1, 1] = (1 - leading) / 10
    x, y, c = torch.meshgrid(torch.arange(10), torch.arange(10), torch.arange(2), indexing="ij")
    total = torch.nn.functional.one_hot(x + y + c, 20).double().view(10, 10, 2, 2, 10)
    return torch.einsum("apx,bqy,xycdv->abcpqdv", number, number, total).reshape(8, 8, 10)


register("addition", Addition())
