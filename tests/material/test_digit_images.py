"""The partition of the digit images."""

import torch

from lagbench.contract import Split
from lagbench.material import digits


def test_the_splits_partition_the_images():
    everything = digits.images().flatten(1)
    assert everything.shape == (1797, 64)
    parts = [digits.images(split).flatten(1) for split in Split]
    assert [len(part) for part in parts] == [1269, 267, 261]
    together = sorted(torch.cat(parts).tolist())
    assert together == sorted(everything.tolist())
    assert len({tuple(image) for image in together}) == 1797  # none stands in two splits


def test_every_split_has_the_classes_in_the_same_shares():
    complete = digits.labels().bincount() / len(digits.labels())
    for split in Split:
        shares = digits.labels(split).bincount() / len(digits.labels(split))
        assert (shares - complete).abs().max() < 0.01


def test_images_are_scaled_to_between_0_and_1():
    assert digits.images().dtype == torch.float16
    assert (digits.images().float() * 16 % 1 == 0).all()  # half precision is exact
    assert digits.images().aminmax() == (0, 1)
    assert digits.labels().dtype == torch.int64


def test_the_majority_is_the_most_frequent_class():
    assert digits.majority() == max(torch.bincount(digits.labels())).item() / 1797
