"""Drawing numbers without replacement, for whole batches at once."""

import torch
from torch import Tensor


def distinct(size: int, shape: tuple[int, int], generator: torch.Generator) -> Tensor:
    """`(B, K)` numbers below `size`, different within each row, every ordered choice alike.

    Where `K` is a fair part of `size`, the order of random keys; else numbers that are drawn again
    for as long as they repeat an earlier one of their row. That is exact: no number is favoured, so
    all rows of different numbers, which renaming the numbers turns into each other, are as likely.
    """
    if size <= 8 * shape[1]:
        return torch.rand(shape[0], size, generator=generator).topk(shape[1]).indices
    drawn = torch.randint(size, shape, generator=generator)
    while (repeated := _repeated(drawn)).any():
        again = torch.randint(size, (int(repeated.sum()),), generator=generator)
        drawn[repeated] = again
    return drawn


def deal(size: int, count: int, generator: torch.Generator) -> Tensor:
    """`(count,)` numbers below `size`, none a second time before each has been drawn once."""
    whole = [torch.randperm(size, generator=generator) for _ in range(count // size)]
    return torch.cat([*whole, distinct(size, (1, count % size), generator)[0]])


def _repeated(drawn: Tensor) -> Tensor:
    """Which numbers repeat an earlier one of their row."""
    values, order = drawn.sort(dim=1, stable=True)
    repeats = torch.zeros_like(drawn, dtype=torch.bool)
    return repeats.scatter(1, order[:, 1:], values[:, 1:] == values[:, :-1])
