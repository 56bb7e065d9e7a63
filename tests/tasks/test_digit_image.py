"""Digit images against the stored ones."""

import pytest
import torch

from lagbench.contract import Split, UserError
from lagbench.material import digits
from lagbench.tasks.digit_image import DigitImage


@pytest.mark.parametrize("split", list(Split))
def test_a_whole_draw_is_every_image_with_its_label(split):
    task = DigitImage()
    batch = task.sample(1, task.num_examples(1, split), torch.Generator().manual_seed(0), split)
    pairs = zip(batch.source.flatten(1).tolist(), batch.target[:, 0].tolist(), strict=True)
    known = zip(
        digits.images(split).flatten(1).tolist(), digits.labels(split).tolist(), strict=True
    )
    assert sorted(pairs) == sorted(known)


def test_there_is_one_image():
    with pytest.raises(UserError, match="needs the length 1, not 2"):
        DigitImage().signature(2)
