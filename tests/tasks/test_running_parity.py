"""Running parity against a loop, and its chance against a large sample."""

import pytest
import torch

from lagbench.contract import Split, UserError
from lagbench.tasks.running_parity import RunningParity


def drawn(task, length, count):
    return task.sample(length, count, torch.Generator().manual_seed(0), Split.TRAIN)


def test_targets_are_the_parities_of_all_prefixes():
    batch = drawn(RunningParity(), 20, 16)
    for bits, answers in zip(batch.source.tolist(), batch.target.tolist(), strict=True):
        assert answers == [sum(bits[: step + 1]) % 2 for step in range(20)]


@pytest.mark.parametrize("ones", [0.05, 0.5, 0.9])
def test_chance_is_the_likelier_parity_at_each_step(ones):
    task = RunningParity(ones)
    odd = drawn(task, 12, 40_000).target.double().mean(0)
    assert torch.maximum(odd, 1 - odd).mean().item() == pytest.approx(task.chance(12), abs=0.005)


def test_impossible_fields_and_lengths_are_refused():
    with pytest.raises(UserError):
        RunningParity(1.0)
    with pytest.raises(UserError, match="at least 1"):
        RunningParity().signature(0)
