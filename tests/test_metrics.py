"""The metric of given answers, against hand-worked values."""

import math

import pytest
import torch

from lagbench.contract import Metric
from lagbench.train.objective import Scale

COUNTED = torch.tensor([[True, True], [True, False]])


def test_accuracy_is_the_share_of_counted_targets_that_are_right() -> None:
    answers, target = torch.tensor([[1, 2], [3, 0]]), torch.tensor([[1, 0], [3, 1]])
    assert Metric.ACCURACY(answers, target, None) == 0.5
    assert Metric.ACCURACY(answers, target, COUNTED) == pytest.approx(2 / 3)


def test_the_squared_error_is_averaged_over_width_and_counted_targets() -> None:
    target = torch.zeros(2, 2, 2)
    answers = torch.tensor([[[1.0, 3.0], [0.0, 2.0]], [[0.0, 0.0], [9.0, 9.0]]])
    assert Metric.MSE.contribution(answers, target).tolist() == [[5.0, 2.0], [0.0, 81.0]]
    assert Metric.MSE(answers, target, COUNTED) == pytest.approx(7 / 3)


def test_bits_are_the_surprise_at_counted_targets() -> None:
    answers = torch.tensor([[[0.5, 0.5], [0.25, 0.75]], [[1.0, 0.0], [0.1, 0.9]]]).log()
    target = torch.tensor([[0, 0], [0, 1]])
    assert Metric.BITS(answers, target, COUNTED) == pytest.approx((1 + 2 + 0) / 3)
    assert Metric.BITS(answers[:1], 1 - target[:1], None) == pytest.approx(
        (1 + 2 - math.log2(3)) / 2
    )


def test_nothing_counted_is_not_a_number() -> None:
    none = torch.zeros(1, 2, dtype=torch.bool)
    assert math.isnan(Metric.ACCURACY(torch.zeros(1, 2), torch.zeros(1, 2), none))


@pytest.mark.parametrize(
    ("reached", "chance", "optimum", "expected"),
    [(0.25, 0.25, 1.0, 0.0), (1.0, 0.25, 1.0, 1.0), (0.0, 0.5, 1.0, -1.0), (1.0, 3.0, 1.0, 1.0),
     (2.5, 3.0, 1.0, 0.25), (1 / 12, 1 / 6, 0.0, 0.5)],
)  # fmt: skip
def test_score_is_0_for_guessing_and_1_for_solved(
    reached: float, chance: float, optimum: float, expected: float
) -> None:
    assert Scale(Metric.MSE, chance, optimum).score(reached) == pytest.approx(expected)
