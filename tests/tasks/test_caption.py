"""Captions, read off the image by counting pixels, and chance against its parts."""

import pytest
import torch

from lagbench.contract import Split, UserError
from lagbench.tasks.caption import WORDS, Caption


def drawn(task, length, count=64):
    return task.sample(length, count, torch.Generator().manual_seed(0), Split.TRAIN)


def columns(picture, side):
    """Of every shape, left to right: its pixels, where it begins in its cell, and its row."""
    for left in range(0, picture.shape[1], side):
        halves = [picture[top : top + side, left : left + side] for top in (0, side)]
        filled = [row for row, half in enumerate(halves) if half.any()]
        for row in filled:
            y, x = halves[row].nonzero().T
            shape = frozenset(zip((y - y.min()).tolist(), (x - x.min()).tolist(), strict=True))
            yield shape, ("upper", "lower")[row]
        assert len(filled) <= 1


@pytest.mark.parametrize("play", [0, 2])
def test_captions_describe_the_image(play):
    batch, named = drawn(Caption(play), 23), {}
    for row in range(64):
        seen = list(columns(batch.source[row, 0, 0], 8 + play))
        known = [WORDS[word] for word in batch.target[row, batch.target_mask[row]].tolist()]
        assert len(known) == 4 * len(seen)
        assert known[-1] == "."
        for i, (shape, height) in enumerate(seen):
            article, size, kind, relation = known[4 * i : 4 * i + 4]
            assert article == "a"
            assert named.setdefault(shape, (size, kind)) == (size, kind)
            if i + 1 < len(seen):
                heights = height, seen[i + 1][1]
                special = {("upper", "lower"): "above", ("lower", "upper"): "below"}
                assert relation == special.get(heights, "beside")
    assert len(named) == 8
    extents = {size: {max(max(at) for at in shape) for shape, name in named.items()
                      if name[0] == size} for size in ("big", "small")}  # fmt: skip
    assert extents == {"big": {7}, "small": {3}}
    assert [name for shape, name in named.items() if len(shape) == 64] == [("big", "square")]
    assert [name for shape, name in named.items() if len(shape) == 28] == [("big", "cross")]


def test_as_many_shapes_as_the_length_allows_down_to_the_share():
    shapes = drawn(Caption(shortest=0.4), 23, 500).target_mask.sum(1) // 4
    assert shapes.unique().tolist() == [2, 3, 4, 5]


def test_chance_by_hand():
    """With 1 or 2 shapes: "a", a size, a kind, "." half the time; "a", a size, a kind, "."."""
    assert Caption().chance(8) == pytest.approx((1.75 + 0.5 + 0.5 * 1.75 + 0.5) / 6)


def test_impossible_settings_are_refused():
    with pytest.raises(UserError, match="not -1"):
        Caption(play=-1)
    with pytest.raises(UserError, match="share"):
        Caption(shortest=2.0)
    with pytest.raises(UserError, match="at least 4, not 3"):
        drawn(Caption(), 3)
