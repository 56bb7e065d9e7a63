"""Positions against the papers' formulas."""

import cmath
import math

import pytest
import torch
from torch import Tensor

from lagbench.contract import UserError
from lagbench.kernels.attention import rotate
from lagbench.layers.positions import Positions, rotations, sinusoids, slopes


def indices(steps: int, first: int = 0) -> Tensor:
    return torch.arange(first, first + steps, dtype=torch.float64)


@pytest.mark.parametrize("width", [1, 6, 7])
def test_sinusoids_are_those_of_the_paper(width: int) -> None:
    actual = sinusoids(indices(40), width)
    even = width + width % 2
    for position in (0, 1, 39):
        for column in range(width):
            angle = position / 10000 ** (2 * (column // 2) / even)
            expected = math.cos(angle) if column % 2 else math.sin(angle)
            assert actual[position, column].item() == pytest.approx(expected, abs=1e-12)


def test_a_rotation_is_a_product_with_complex_numbers_of_length_one() -> None:
    x = torch.randn(5, 6, dtype=torch.float64)
    actual = rotate(x, rotations(indices(5, first=3), 6))
    for step in range(5):
        for pair in range(3):
            turn = cmath.exp(1j * (step + 3) * 10000 ** (-2 * pair / 6))
            expected = complex(x[step, pair], x[step, pair + 3]) * turn
            real, imaginary = actual[step, pair].item(), actual[step, pair + 3].item()
            assert abs(complex(real, imaginary) - expected) < 1e-12


def test_rotated_scores_depend_on_the_distance_alone() -> None:
    query, key = torch.randn(2, 9, 8, dtype=torch.float64).unbind()
    scores = []
    for first in (0, 1, 1000):
        rotation = rotations(indices(9, first), 8)
        scores.append(rotate(query, rotation) @ rotate(key, rotation).mT)
    torch.testing.assert_close(scores[1], scores[0], rtol=0, atol=1e-12)
    torch.testing.assert_close(scores[2], scores[0], rtol=0, atol=1e-10)
    assert (scores[0] - query @ key.mT).abs().max() > 0.1


def test_alibi_has_the_slopes_of_the_paper_and_falls_with_distance_on_both_sides() -> None:
    x = torch.zeros(1, 4, 16, dtype=torch.float64)
    torch.testing.assert_close(slopes(8, x), 2.0 ** -torch.arange(1, 9, dtype=torch.float64))
    bias = Positions("alibi", 16, 8, 0).bias(x)
    assert bias is not None
    for head in range(8):
        for query in range(4):
            for key in range(4):
                assert bias[0, head, query, key] == -abs(query - key) * 2.0 ** -(head + 1)


@pytest.mark.parametrize("encoding", ["sinusoidal", "learned", "rotary", "alibi", "none"])
def test_positions_continue_from_an_offset(encoding: str) -> None:
    positions = Positions(encoding, 8, 2, 9).double()
    x = torch.randn(2, 9, 8, dtype=torch.float64)
    full, later = positions.add(x), positions.add(x[:, 5:], 5)
    torch.testing.assert_close(later, full[:, 5:])
    for actual, expected in zip(
        positions.rotation(x[:, 5:], 5) or (), positions.rotation(x) or (), strict=True
    ):
        torch.testing.assert_close(actual, expected[5:])
    bias, all_bias = positions.bias(x[:, 5:], 5), positions.bias(x)
    if bias is not None and all_bias is not None:
        torch.testing.assert_close(bias, all_bias[:, :, 5:])


@pytest.mark.parametrize(("steps", "offset"), [(10, 0), (2, 8), (1, 9)])
def test_learned_positions_end_with_their_table(steps: int, offset: int) -> None:
    positions = Positions("learned", 8, 2, 9)
    with pytest.raises(UserError, match="10 steps are more than the 9 learned positions"):
        positions.add(torch.zeros(1, steps, 8), offset)
