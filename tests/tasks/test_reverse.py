"""Reversal against Python's, strings of varied length included."""

import torch

from lagbench.contract import Split
from lagbench.tasks.reverse import Reverse


def drawn(task, length, count=64):
    return task.sample(length, count, torch.Generator().manual_seed(0), Split.TRAIN)


def test_strings_are_said_backwards():
    batch = drawn(Reverse(), 9)
    assert batch.target.tolist() == [row[::-1] for row in batch.source.tolist()]
    assert batch.lag[0].tolist() == [1, 3, 5, 7, 9, 11, 13, 15, 17]


def test_strings_of_varied_length_are_said_backwards_and_closed():
    batch = drawn(Reverse(shortest=0.5), 10)
    for row, steps in enumerate(batch.source_mask.sum(1).tolist()):
        said = batch.target[row, batch.target_mask[row]].tolist()
        assert said == [*batch.source[row, :steps].tolist()[::-1], 8]
        assert batch.lag[row, : steps + 1].tolist() == [*range(1, 2 * steps, 2), -1]
