"""Bags of n-grams: order within `n` neighbouring symbols, and none beyond."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lagbench import Architecture, Cost, Mixer, Signature, State, Tokens, UserError, register
from lagbench.layers.bag import Bag, Reduction

# Hashed n-grams are numbers in this base modulo this prime (Fishman and Moore 1986); a product of
# two such numbers fits 64 bits.
_BASE, _PRIME = 950_706_376, 2**31 - 1


class NGramBag(Mixer):
    """Tokens `(B, T)` -> n-grams -> learned rows of a table -> a bag of the rows so far.

    features: how many different n-grams there are, those that begin before the sequence included.
    rows: how many rows the table has; fewer than `features` where n-grams are hashed.
    """

    def __init__(self, width: int, size: int, n: int, table: int, reduction: Reduction) -> None:
        super().__init__()
        self.n = n
        self.features: int = sum(size**length for length in range(1, n + 1))
        self.rows = min(self.features, table)
        exact = self.rows == self.features
        self._base, self._modulus = (size, self.features) if exact else (_BASE, _PRIME)
        self.table = nn.Embedding(self.rows, width)
        self.bag = Bag(width, reduction)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """`(B, T) -> (B, T, D)`; causal, so that padding cannot matter."""
        return self.extend(x)[0]

    def extend(self, x: Tensor, state: State = None) -> tuple[Tensor, State]:
        """The state is the last `n − 1` symbols `(B, n − 1)` and the bag's state."""
        past, bag = (x.new_zeros(x.shape[0], self.n - 1), None) if state is None else state
        symbols = torch.cat([past, x + 1], dim=1)  # 0 stands before the beginning
        y, bag = self.bag.extend(self.table(self.index(symbols)), bag)
        return y, (symbols[:, x.shape[1] :], bag)

    def index(self, symbols: Tensor) -> Tensor:
        """The row of each n-gram: symbols `(B, n − 1 + T)`, counted from 1 -> rows `(B, T)`.

        With digits 1 … V, the up to n symbols of an n-gram are a number in bijective base V, each
        of 1 … `features` once: less 1, its row. Where n-grams are hashed, base and modulus differ.
        """
        steps = symbols.shape[1] - self.n + 1
        number = torch.zeros_like(symbols[:, :steps])
        for i in range(self.n):
            number = (number * self._base + symbols[:, i : i + steps]) % self._modulus
        return (number - 1).remainder(self.rows)


@dataclass(frozen=True)
class NGram(Architecture):
    """Counts of the n-grams so far, as a mean (or sum) of learned rows, and a dense layer.

        m_t = (E[s_1] + … + E[s_t]) / t,    s_t = (x_{t−n+1} … x_t)
        y_t = relu(W m_t + b)

    An n-gram that begins before the sequence is shorter. There are V + V² + … + V^n of them
    (`features` of the core): more than `table` are hashed into `table` rows, and collide.

    Source: Joulin et al. 2017, "Bag of tricks for efficient text classification"; hashing:
    Weinberger et al. 2009, "Feature hashing for large scale multitask learning".

    Attributes:
        n: symbols in an n-gram.
        table: the most rows of the table.
        reduction: `mean`, or `sum`, which keeps counts but grows with the length.
    """

    cost = Cost(compute="T", path="1", sequential="1")
    input_spaces = (Tokens,)
    n: int = 2
    table: int = 4096
    reduction: Reduction = "mean"

    def __post_init__(self) -> None:
        if self.n < 1 or self.table < 1:
            raise UserError("n and table must be at least 1.")

    def build(self, width: int, signature: Signature) -> Mixer:
        """`rows · D` parameters in the table and `D² + D` in the dense layer."""
        assert isinstance(signature.source, Tokens)  # `reads` says so
        return NGramBag(width, signature.source.size, self.n, self.table, self.reduction)


register("ngram", NGram())
