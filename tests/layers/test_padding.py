"""The last real step and the reversal of real steps, against plain lists."""

import pytest
import torch

from lagbench.layers.padding import last, reverse

LENGTHS = [5, 3, 1]
X = torch.randn(3, 5, 2)
MASK = torch.arange(5) < torch.tensor(LENGTHS)[:, None]


@pytest.mark.parametrize("padded", [False, True])
def test_the_last_step_is_the_last_real_one(padded: bool) -> None:
    actual = last(X, MASK if padded else None)
    for row, steps in enumerate(LENGTHS if padded else [5, 5, 5]):
        assert torch.equal(actual[row], X[row, steps - 1])


@pytest.mark.parametrize("padded", [False, True])
def test_real_steps_are_reversed_and_padding_stays(padded: bool) -> None:
    mask = MASK if padded else None
    actual = reverse(X, mask)
    for row, steps in enumerate(LENGTHS if padded else [5, 5, 5]):
        order = [*reversed(range(steps)), *range(steps, 5)]
        assert torch.equal(actual[row], X[row, order])
    assert torch.equal(reverse(actual, mask), X)
