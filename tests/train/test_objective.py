"""Loss and scores against torch and torchmetrics."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics.classification import MulticlassAccuracy, MulticlassExactMatch
from torchmetrics.regression import MeanSquaredError

from lagbench.contract import Metric, Reals, Tokens
from lagbench.train.objective import ReplicaScore, loss

TokensAndMask = tuple[Tensor, Tensor, Tensor]


@pytest.fixture
def tokens() -> TokensAndMask:
    target = torch.randint(5, (12, 3))
    mask = torch.rand(12, 3) > 0.3
    mask[:, 0] = True
    return torch.randn(2, 12, 3, 5), target, mask


def test_loss_is_torchs(tokens: TokensAndMask) -> None:
    predicted, target, mask = tokens
    for replica in predicted:
        expected = F.cross_entropy(replica.flatten(0, 1), target.flatten())
        torch.testing.assert_close(loss(replica, target, None, Tokens(5)), expected)
        torch.testing.assert_close(
            loss(replica, target, mask, Tokens(5)), F.cross_entropy(replica[mask], target[mask])
        )
    values, aim = torch.randn(4, 3, 2), torch.randn(4, 3, 2)
    torch.testing.assert_close(loss(values, aim, None, Reals(2)), F.mse_loss(values, aim))


def test_scores_are_torchmetrics(tokens: TokensAndMask) -> None:
    predicted, target, mask = tokens
    score = ReplicaScore(2, Tokens(5), Metric.ACCURACY)
    for part in (slice(0, 5), slice(5, 12)):
        score.update(predicted[:, part], target[part], mask[part])
    reached = score.evaluation()
    assert reached.accuracy is not None
    assert reached.exact_match is not None
    ignored = target.masked_fill(~mask, -100)
    for row, replica in enumerate(predicted):
        accuracy = MulticlassAccuracy(5, average="micro", ignore_index=-100)
        exact = MulticlassExactMatch(5, multidim_average="global", ignore_index=-100)
        guessed = replica.argmax(-1)
        assert reached.accuracy[row].item() == pytest.approx(accuracy(guessed, ignored).item())
        right = torch.where(mask, guessed, target)
        assert reached.exact_match[row].item() == pytest.approx(exact(right, target).item())
        assert reached.loss[row].item() == pytest.approx(
            F.cross_entropy(replica[mask], target[mask]).item(), rel=1e-5
        )


def test_bits_are_the_loss_in_another_unit(tokens: TokensAndMask) -> None:
    predicted, target, mask = tokens
    score = ReplicaScore(2, Tokens(5), Metric.BITS)
    score.update(predicted, target, mask)
    reached = score.evaluation()
    torch.testing.assert_close(reached.metric, reached.loss / math.log(2))


def test_values_are_scored_by_their_squared_error() -> None:
    predicted, target = torch.randn(1, 6, 2, 3), torch.randn(6, 2, 3)
    score = ReplicaScore(1, Reals(3), Metric.MSE)
    score.update(predicted, target, None)
    reached = score.evaluation()
    expected = MeanSquaredError()(predicted[0].flatten(), target.flatten()).item()
    assert reached.metric.tolist() == [pytest.approx(expected)]
    assert reached.accuracy is None
