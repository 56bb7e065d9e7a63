"""Captchas: every digit is a stored image of its class and split, moved within its cell."""

import pytest
import torch
from scipy.stats import chisquare

from lagbench.contract import Split, UserError
from lagbench.material import digits
from lagbench.tasks.captcha import Captcha


def drawn(task, length, count=32, split=Split.TRAIN):
    return task.sample(length, count, torch.Generator().manual_seed(0), split)


@pytest.mark.parametrize("split", list(Split))
@pytest.mark.parametrize("play", [0, 2])
def test_every_cell_holds_an_image_of_the_class_and_split(play, split):
    batch, side = drawn(Captcha(play), 3, 16, split), 8 + play
    images, classes = digits.images(split), digits.labels(split)
    for picture, target in zip(batch.source[:, 0, 0], batch.target.tolist(), strict=True):
        for position, digit in enumerate(target):
            cell = picture[:, position * side : (position + 1) * side]
            actual = [
                (images[classes == digit] == cell[y : y + 8, x : x + 8]).all(2).all(1).any()
                and cell.count_nonzero() == cell[y : y + 8, x : x + 8].count_nonzero()
                for y in range(play + 1)
                for x in range(play + 1)
            ]
            assert any(actual)


def test_digits_and_images_are_drawn_alike():
    batch = drawn(Captcha(0), 1, 20_000, Split.TEST)
    assert chisquare(torch.bincount(batch.target[:, 0])).pvalue > 1e-3
    zeros = batch.source[batch.target[:, 0] == 0].flatten(1)
    stored = int((digits.labels(Split.TEST) == 0).sum())
    counts = zeros.unique(dim=0, return_counts=True)[1]
    assert len(counts) == stored
    assert chisquare(counts).pvalue > 1e-3


def test_impossible_settings_are_refused():
    with pytest.raises(UserError, match="not -1"):
        Captcha(-1)
    with pytest.raises(UserError, match="at least 1, not 0"):
        drawn(Captcha(), 0)
