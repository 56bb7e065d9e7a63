"""Frame labels against the frames, one by one."""

import pytest
import torch

from lagbench.contract import Split, UserError
from lagbench.material import digits
from lagbench.tasks.frame_labels import FrameLabels


def drawn(task, length, count=16, split=Split.TRAIN):
    return task.sample(length, count, torch.Generator().manual_seed(0), split)


@pytest.mark.parametrize("split", list(Split))
def test_every_frame_is_labelled_with_the_digit_shown_last(split):
    batch = drawn(FrameLabels(), 15, split=split)
    images, classes = digits.images(split), digits.labels(split)
    for frames, target, lag in zip(
        batch.source[:, :, 0], batch.target.tolist(), batch.lag.tolist(), strict=True
    ):
        shown, since = None, 0
        for step, frame in enumerate(frames):
            since += 1
            if frame.any():
                (same,) = (images == frame).all(2).all(1).nonzero()[:1, 0].tolist()
                shown, since = classes[same].item(), 0
            assert (target[step], lag[step]) == (shown, since)


@pytest.mark.parametrize(("shown", "frames"), [(0.0, 1.0), (4.0, 4.9), (1000.0, 40.0)])
def test_as_many_digits_are_shown_as_asked_for(shown, frames):
    batch = drawn(FrameLabels(shown), 40, 2000)
    shows = batch.source.flatten(2).any(2)
    assert shows[:, 0].all()
    assert shows.sum(1).double().mean().item() == pytest.approx(frames, abs=0.2)


def test_impossible_settings_are_refused():
    with pytest.raises(UserError, match="not -1"):
        FrameLabels(-1.0)
    with pytest.raises(UserError, match="at least 1, not 0"):
        drawn(FrameLabels(), 0)
