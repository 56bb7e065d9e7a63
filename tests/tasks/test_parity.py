"""Parity against counting, and the lengths that it trains on when published."""

import pytest
import torch
from scipy.stats import chisquare

from lagbench.contract import Split, UserError
from lagbench.tasks.parity import Parity


def drawn(task: Parity, length: int, count: int):
    return task.sample(length, count, torch.Generator().manual_seed(0), Split.TRAIN)


@pytest.mark.parametrize(
    ("bits", "odd"), [([1, 0, 1, 0, 1, 0, 0], 1), ([0, 1, 1, 1, 1], 0), ([1], 1)]
)
def test_the_oracle_gives_the_published_examples(bits, odd):
    assert Parity().oracle(len(bits), torch.tensor([bits]), None).item() == odd


@pytest.mark.parametrize("shortest", [1.0, 0.5, 0.0])
def test_the_target_counts_the_real_ones(shortest):
    batch = drawn(Parity(shortest), 13, 100)
    mask = torch.ones(100, 13) if batch.source_mask is None else batch.source_mask
    for bits, real, target in zip(batch.source.tolist(), mask.tolist(), batch.target, strict=True):
        assert (
            target.item()
            == sum(bit for bit, is_real in zip(bits, real, strict=True) if is_real) % 2
        )


def test_the_published_training_lengths_are_uniform_from_1_to_40():
    steps = drawn(Parity(shortest=0), 40, 8000).source_mask.sum(1)
    counts = torch.bincount(steps, minlength=41)
    assert counts[0] == 0
    assert chisquare(counts[1:]).pvalue > 1e-5


def test_bits_are_fair():
    assert chisquare(torch.bincount(drawn(Parity(), 50, 1000).source.flatten())).pvalue > 1e-5


def test_impossible_settings_are_refused():
    with pytest.raises(UserError, match="share from 0 to 1"):
        Parity(shortest=1.5)
    with pytest.raises(UserError, match="at least 1, not 0"):
        Parity().signature(0)
