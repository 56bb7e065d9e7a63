"""Moving digits against rolling the first frame, and when and where they show."""

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from lagbench.contract import Split, UserError
from lagbench.material import digits
from lagbench.tasks.moving_digit import WORDS, MovingDigit

STEPS = {"down": (1, 0), "up": (-1, 0), "right": (0, 1), "left": (0, -1)}


def drawn(task: MovingDigit, length: int, count: int, split: Split = Split.TRAIN):
    return task.sample(length, count, torch.Generator().manual_seed(0), split)


@pytest.mark.parametrize(("directions", "shown", "side"), [(8, 4, 12), (4, 2, 16), (8, 0, 20)])
def test_each_frame_is_the_one_before_moved_by_a_pixel(directions, shown, side):
    batch = drawn(MovingDigit(directions=directions, shown=shown, side=side), 9, 60)
    assert batch.source.shape == (60, 9, 1, side, side)
    for film, target, lag in zip(
        batch.source[:, :, 0].numpy(), batch.target, batch.lag, strict=True
    ):
        down, right = np.sum([STEPS[word] for word in WORDS[target.item()].split()], axis=0)
        last = 8 - lag.item()
        first = last - (shown or 9) + 1
        for before, after in zip(film[first:last], film[first + 1 : last + 1], strict=True):
            assert np.array_equal(np.roll(before, (down, right), (0, 1)), after)
        assert film[first].any()
        assert not film[:first].any()
        assert not film[last + 1 :].any()


@pytest.mark.parametrize("side", [12, 16])
@pytest.mark.parametrize("split", list(Split))
def test_the_digit_is_a_whole_image_of_the_split(split, side):
    batch = drawn(MovingDigit(ask="digit", shown=0, side=side), 2, 20, split)
    images = {image.numpy().tobytes() for image in digits.images(split)}
    labelled = zip(digits.images(split), digits.labels(split).tolist(), strict=True)
    label = {image.numpy().tobytes(): number for image, number in labelled}
    for frame, target in zip(batch.source[:, 0, 0].numpy(), batch.target, strict=True):
        places = [(row, column) for row in range(side) for column in range(side)]
        crops = [np.roll(frame, (-row, -column), (0, 1)) for row, column in places]
        complete = [
            crop[:8, :8].tobytes()
            for crop in crops
            if not crop[8:].any() and not crop[:, 8:].any() and crop[:8, :8].tobytes() in images
        ]
        assert target.item() in {label[image] for image in complete}


def test_the_digit_shows_anywhere_alike_and_goes_any_way_alike():
    batch = drawn(MovingDigit(), 9, 3000)
    assert chisquare(torch.bincount(batch.lag[:, 0], minlength=6)).pvalue > 1e-5
    assert chisquare(torch.bincount(batch.target[:, 0], minlength=8)).pvalue > 1e-5


@pytest.mark.parametrize("side", [12, 20])
@pytest.mark.parametrize("ask", ["direction", "digit"])
def test_the_oracle_knows_digits_that_wrap_around(ask, side):
    task = MovingDigit(ask=ask, side=side)
    batch = drawn(task, 5, 40, Split.TEST)
    assert torch.equal(task.oracle(5, batch.source, None), batch.target)


def test_a_digit_begins_at_every_place_alike():
    film = drawn(MovingDigit(shown=0, directions=4), 2, 20_000).source[:, 0, 0] > 0
    rows, columns = film.any(2).double().mean(0), film.any(1).double().mean(0)
    # 5 standard deviations of a share of 20,000; a digit fills all 8 rows, and 6 to 8 columns
    torch.testing.assert_close(rows, torch.full((12,), 8 / 12).double(), atol=0.017, rtol=0)
    assert columns.max() - columns.min() < 0.035


def test_impossible_settings_are_refused():
    with pytest.raises(UserError, match="4 or 8 directions, not 5"):
        MovingDigit(directions=5)
    with pytest.raises(UserError, match="2 or more frames shown"):
        MovingDigit(shown=1)
    for side in (0, 8, 13, -12):
        with pytest.raises(UserError, match=f"side of 12 pixels, 16, 20 and so on, not {side}"):
            MovingDigit(side=side)
    with pytest.raises(UserError, match="at least 4, not 3"):
        MovingDigit().signature(3)
