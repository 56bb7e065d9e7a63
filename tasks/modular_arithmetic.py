"""`modular_arithmetic`: the value of a sum of products, modulo a small number."""

from dataclasses import dataclass

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

OPERATORS = "+-*"


@dataclass(frozen=True)
class ModularArithmetic(Task):
    """Evaluate an expression without brackets, modulo a small number.

    Data:
        1 + 2 * 3          ->  2
        0 * 1 + 4 * 3 - 2  ->  0
        Modulo 5. Numbers are symbols `0 … modulus - 1`, followed by `+`, `-` and `*`.
    Length: tokens; expressions are odd, so an even length reads one token less.
    Lag: none; all numbers decide.
    Chance: the share of the most frequent answer, computed exactly.
    Source: Delétang et al. (2023), Neural Networks and the Chomsky Hierarchy (arXiv:2207.02098),
        modular arithmetic (simple), by the default fields. Its training lengths, uniform over 1 …
        40, are `shortest=0` at length 40.

    Attributes:
        modulus: the number of different numbers; at least 2.
        operators: which operators occur, as a string, all equally likely.
        shortest: the shortest expression as a share of the longest; below 1, lengths are uniform.
    """

    modulus: int = 5
    operators: str = OPERATORS
    shortest: float = 1.0

    def __post_init__(self) -> None:
        if self.modulus < 2:
            raise UserError(
                f"modular_arithmetic needs a modulus of at least 2, not {self.modulus}."
            )
        used = set(self.operators)
        if len(used) < len(self.operators) or not used <= set(OPERATORS) or not used & {"+", "-"}:
            raise UserError(
                f"modular_arithmetic needs operators out of {OPERATORS}, each once and not * alone "
                f"(its products are nearly always 0), not {self.operators!r}."
            )
        lengths.require_share("modular_arithmetic", self.shortest)

    def signature(self, length: int) -> Signature:
        lengths.require("modular_arithmetic", length, 1)
        steps, least = _odd(length), _odd(lengths.minimum(length, self.shortest))
        source = Tokens(self.modulus + len(OPERATORS))
        return Signature(
            source, Tokens(self.modulus), Alignment.POOLED, steps, padded=least < steps
        )

    def sample(self, length: int, count: int, generator: torch.Generator, split: Split) -> Batch:
        signature = self.signature(length)
        steps, terms = signature.steps, signature.steps // 2
        used = torch.tensor([self._token(operator) for operator in self.operators])
        source = torch.empty(count, steps, dtype=torch.int64)
        source[:, ::2] = torch.randint(self.modulus, (count, terms + 1), generator=generator)
        source[:, 1::2] = used[torch.randint(len(used), (count, terms), generator=generator)]
        mask = None
        if signature.padded:
            drawn = lengths.draw(length, self.shortest, count, generator)
            mask = lengths.mask(drawn - (drawn + 1) % 2, steps)
            source *= mask
        return Batch(source, self._value(source)[:, None], mask)

    def chance(self, length: int) -> float:
        size, share = self.modulus, self.operators.count("*") / len(self.operators)
        products = torch.outer(torch.arange(size), torch.arange(size)) % size
        times = torch.nn.functional.one_hot(products, size).double().mean(1)  # (term, new term)
        state = torch.zeros(size, size, dtype=torch.float64)  # P(sum so far, open term)
        state[0] = 1 / size
        answers = torch.zeros(size, dtype=torch.float64)
        least, sums = lengths.minimum(length, self.shortest), _sums(size)
        for steps in range(1, length + 1):
            if steps > 1 and steps % 2 == 1:
                closed = torch.bincount(sums, state.flatten(), minlength=size)
                state = (1 - share) * closed[:, None] / size + share * state @ times
            if steps >= least:
                answers += torch.bincount(sums, state.flatten(), minlength=size)
        return float(answers.max() / answers.sum())

    def oracle(self, length: int, source: Tensor, source_mask: Tensor | None) -> Tensor:
        """Read from left to right with the sum of the finished terms and the open term."""
        real = lengths.real_steps(source, source_mask)
        total, term = torch.zeros_like(source[:, 0]), source[:, 0]
        for step in range(2, source.shape[1], 2):
            operator, number, going = source[:, step - 1], source[:, step], step < real
            times = going & (operator == self._token("*"))
            signed = torch.where(operator == self._token("-"), -number, number)
            total = torch.where(going & ~times, (total + term) % self.modulus, total)
            term = torch.where(times, term * number % self.modulus, term)
            term = torch.where(going & ~times, signed, term)
        return ((total + term) % self.modulus)[:, None]

    def display_names(self, length: int) -> DisplayNames:
        return DisplayNames([*map(str, range(self.modulus)), *OPERATORS])

    def _token(self, operator: str) -> int:
        return self.modulus + OPERATORS.index(operator)

    def _value(self, source: Tensor) -> Tensor:
        """The values `(B,)` by a segmented scan: all products at once, then all terms at once.

        Step `k` of the scan multiplies each number by what stands `2^k` numbers before it, if all
        operators between are `*`; padding reads as `0` and `+`.
        """
        product = source[:, ::2].clone()
        before = torch.nn.functional.pad(source[:, 1::2], (1, 0))  # the operator before each number
        product = torch.where(before == self._token("-"), -product, product)
        joined = before == self._token("*")
        last = ~torch.nn.functional.pad(joined[:, 1:], (0, 1))  # of its term
        shift = 1
        while joined.any():
            multiplied = product[:, shift:] * product[:, :-shift] % self.modulus
            product[:, shift:] = torch.where(joined[:, shift:], multiplied, product[:, shift:])
            joined[:, shift:] &= joined[:, :-shift].clone()
            shift *= 2
        return (product * last).sum(1) % self.modulus


def _odd(steps: int) -> int:
    return steps - 1 + steps % 2


def _sums(size: int) -> Tensor:
    """`(size * size,)`: the sum modulo `size` of each pair of numbers."""
    numbers = torch.arange(size)
    return ((numbers[:, None] + numbers) % size).flatten()


register("modular_arithmetic", ModularArithmetic())
