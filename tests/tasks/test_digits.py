"""Digits against the images that scikit-learn ships."""

import pytest
import torch
from sklearn.datasets import load_digits

from lagbench.contract import Split, UserError
from lagbench.material import digits
from lagbench.tasks.digits import Digits


def sample(task: Digits, length: int, count: int = 40, split: Split = Split.TEST):
    return task.sample(length, count, torch.Generator().manual_seed(7), split)


def stored() -> dict[bytes, int]:
    images, labels = load_digits(return_X_y=True)
    return {image.astype("uint8").tobytes(): label for image, label in zip(images, labels)}  # noqa: B905


def test_at_64_the_source_is_the_stored_image_row_by_row():
    batch, known = sample(Digits(), 64), stored()
    for row, target in zip(batch.source, batch.target, strict=True):
        image = (row.flatten() * 16).round().to(torch.uint8).numpy()
        assert known[image.tobytes()] == target.item()


def test_the_order_is_permuted_in_one_fixed_way():
    rows, permuted = sample(Digits(), 256), sample(Digits("permuted"), 256)
    assert not torch.equal(rows.source, permuted.source)
    order = torch.randperm(256, generator=torch.Generator().manual_seed(256))
    assert torch.equal(rows.source[:, order], permuted.source)
    assert torch.equal(rows.target, permuted.target)


def test_resampling_by_two_averages_as_bilinear_interpolation_does():
    small = sample(Digits(), 64).source.view(-1, 8, 8)
    large = sample(Digits(), 256).source.view(-1, 16, 16)
    near = 0.75 * small[:, :-1] + 0.25 * small[:, 1:]  # the rows a quarter of a step further down
    expected = 0.75 * near[:, :, :-1] + 0.25 * near[:, :, 1:]
    torch.testing.assert_close(large[:, 1:-1:2, 1:-1:2], expected)


def test_all_images_of_a_split_are_drawn_before_any_returns():
    task = Digits()
    size = task.num_examples(64, Split.VALIDATION)
    drawn = digits.draw(Split.VALIDATION, 2 * size, torch.Generator().manual_seed(1))
    assert sorted(drawn[:size].tolist()) == list(range(size))
    assert drawn[:size].tolist() != drawn[size:].tolist()
    assert len(digits.draw(Split.TEST, 0, torch.Generator())) == 0


@pytest.mark.parametrize("length", [0, 49, 65, 1000])
def test_the_length_must_be_a_square_of_at_least_8(length):
    with pytest.raises(UserError, match="square of 8 or more"):
        sample(Digits(), length)
