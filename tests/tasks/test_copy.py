"""Copying: the published form digit for digit, its floor, and the strings of varied length."""

import math

import numpy as np
import pytest
import torch

from lagbench.contract import Split, UserError
from lagbench.tasks.copy import Copy, CopyMemory


def drawn(task, length, count=64, seed=0):
    return task.sample(length, count, torch.Generator().manual_seed(seed), Split.TRAIN)


def published(delay, symbols):
    """The generator of Bai et al.'s repository, for given symbols `(B, 10)`."""
    held = np.asarray(symbols)
    zeros = np.zeros((len(held), delay))
    marker = 9 * np.ones((len(held), 11))
    source = np.concatenate([held, zeros[:, :-1], marker], 1)
    return source, np.concatenate([np.zeros((len(held), 10)), zeros, held], 1)


@pytest.mark.parametrize("delay", [1, 7, 500])
def test_default_fields_are_the_data_of_bai_et_al(delay):
    batch = drawn(CopyMemory(), delay)
    source, target = published(delay, batch.source[:, :10])
    np.testing.assert_array_equal(batch.source, source)
    np.testing.assert_array_equal(batch.target, target)
    assert set(batch.source[:, :10].unique().tolist()) <= set(range(1, 9))


def test_marker_once_is_the_data_of_arjovsky_et_al():
    batch = drawn(CopyMemory(marker="once"), 30)
    assert (batch.source[:, 39] == 9).all()
    assert (batch.source[:, 10:39] == 0).all()
    assert (batch.source[:, 40:] == 0).all()
    assert batch.source.shape == (64, 50)


def test_memoryless_floor_is_the_loss_of_the_true_marginals():
    task, delay = CopyMemory(), 100
    assert task.memoryless_floor(delay) == pytest.approx(10 * math.log(8) / 120)
    target = drawn(task, delay).target
    marginal = torch.zeros(120, 10)
    marginal[:110, 0] = 1
    marginal[110:, 1:9] = 1 / 8
    loss = torch.nn.functional.nll_loss(
        marginal.log().clamp(min=-1e9).expand(64, -1, -1).flatten(0, 1), target.flatten()
    )
    assert loss.item() == pytest.approx(task.memoryless_floor(delay), rel=1e-5)


def test_strings_of_varied_length_are_said_again_and_closed():
    batch = drawn(Copy(alphabet=4, shortest=0.25), 12)
    steps = batch.source_mask.sum(1).tolist()
    assert set(steps) == set(range(3, 13))
    for row, n in enumerate(steps):
        assert batch.target[row, : n + 1].tolist() == [*batch.source[row, :n].tolist(), 4]
        assert batch.target_mask[row].tolist() == [True] * (n + 1) + [False] * (12 - n)
        assert batch.lag[row].tolist() == [n] * n + [-1] * (13 - n)


def test_chance_of_varied_lengths_by_hand():
    # Lengths 1 and 2, two symbols: a symbol (1/2), then a symbol (1/4) or `end` (1/2), then `end`.
    assert Copy(alphabet=2, shortest=0.5).chance(2) == pytest.approx((1 / 2 + 1 / 2 + 1 / 2) / 2.5)


@pytest.mark.parametrize(
    "fields", [{"alphabet": 1}, {"shortest": -0.1}, {"shortest": 1.5}], ids=str
)
def test_impossible_fields_are_refused(fields):
    with pytest.raises(UserError):
        Copy(**fields)


def test_impossible_lengths_are_refused():
    for task in (Copy(), CopyMemory()):
        with pytest.raises(UserError, match="at least 1"):
            drawn(task, 0)
