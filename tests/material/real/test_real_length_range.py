"""Which lengths are kept, and how sequences become tensors."""

import pytest
import torch

from lagbench.contract import Split, UserError
from lagbench.material.lengths import LengthRange, pad

ROWS = [("a", "x"), ("ab", "xyzuv"), ("abcd", "xy"), ("abcdef", "x"), ("abc", "xyz")]


def test_longer_ones_are_left_out_and_counted():
    kept, counts = LengthRange(2, 4, "drop").select("here", {Split.TRAIN: ROWS})
    assert kept == {Split.TRAIN: [("abcd", "xy"), ("abc", "xyz")]}
    assert counts == {"left out as shorter": 1, "left out as longer": 2, "cut": 0}


def test_longer_ones_are_cut_off_and_counted():
    kept, counts = LengthRange(2, 4, "cut").select("here", {Split.TRAIN: ROWS})
    assert kept[Split.TRAIN] == [("ab", "xyzu"), ("abcd", "xy"), ("abcd", "x"), ("abc", "xyz")]
    assert counts == {"left out as shorter": 1, "left out as longer": 0, "cut": 2}


def test_a_split_with_nothing_left_is_refused():
    rows = {Split.TRAIN: ROWS, Split.TEST: [("a", "x")]}
    with pytest.raises(UserError, match=r"here has no test example of 2 to 4 steps\.$"):
        LengthRange(2, 4, "drop").select("here", rows)
    with pytest.raises(UserError, match=r"here has no test example of at least 2 steps\.$"):
        LengthRange(2, 4, "cut").select("here", rows)


def test_padding_is_zeros_after_the_end():
    numbers, mask = pad([[1, 2], [], [3, 4, 5]], 3)
    assert numbers.tolist() == [[1, 2, 0], [0, 0, 0], [3, 4, 5]]
    assert mask.sum(1).tolist() == [2, 0, 3]
    assert pad([[0.5], [1.5, 2.5]], 2)[0].tolist() == [[0.5, 0.0], [1.5, 2.5]]
    assert pad([[0.5]], 1)[0].dtype is torch.float32
