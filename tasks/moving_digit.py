"""`moving_digit`: a real digit crosses the picture; which way, or which digit, was it?"""

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Literal

import torch
from torch import Tensor
from torch.nn.functional import embedding, pad

from lagbench import (
    Alignment,
    Batch,
    DisplayNames,
    Frames,
    Signature,
    Split,
    Task,
    Tokens,
    UserError,
    register,
)
from lagbench.material import digits, lengths
from lagbench.material.pictures import black

FOUR = torch.int64  # as large as four pixels, which are copied at once
# Pixels down and to the right at each frame: down, up, right, left, then the diagonals.
WAYS = torch.tensor([(1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (1, -1), (-1, 1), (-1, -1)])
WORDS = ("down", "up", "right", "left", "down right", "down left", "up right", "up left")


@dataclass(frozen=True)
class MovingDigit(Task):
    """Name the direction in which a digit moved through a video, or the digit.

    Data:
        dark  dark  [ 7  ]  [  7 ]  [   7]  dark  dark  dark  ->  right
        A real digit (see `lagbench.material.digits`) at a random position moves by a pixel a frame
        and re-enters where it leaves the picture. It is visible in `shown` successive frames, which
        begin anywhere, uniformly; the others are dark.
    Length: frames; at least `shown`, and 2.
    Lag: to the last frame with a digit, uniform over `0 … T - shown`.
    Chance: `1 / directions`; of digits, the share of the most frequent class.
    Source: after the moving digits of Srivastava, Mansimov and Salakhutdinov (2015), Unsupervised
        Learning of Video Representations using LSTMs (arXiv:1502.04681), which bounce instead.

    Attributes:
        ask: whether the direction or the digit is asked for.
        directions: 4 (along the axes) or 8 (diagonals too).
        shown: frames in which the digit is visible; 0: all, so that the last ones suffice.
        side: of the picture, in pixels: a multiple of 4, at least 12.
    """

    lengths: ClassVar[tuple[int, ...]] = (8, 16, 32, 64)
    version: ClassVar[int] = 2

    ask: Literal["direction", "digit"] = "direction"
    directions: int = 8
    shown: int = 4
    side: int = 12

    def __post_init__(self) -> None:
        if self.directions not in (4, 8):
            raise UserError(f"moving_digit needs 4 or 8 directions, not {self.directions}.")
        if self.shown < 0 or self.shown == 1:
            raise UserError(
                f"moving_digit needs 2 or more frames shown, or 0 for all, not {self.shown}."
            )
        if self.side < 12 or self.side % 4:
            raise UserError(
                f"moving_digit needs a side of 12 pixels, 16, 20 and so on, not {self.side}."
            )

    def signature(self, length: int) -> Signature:
        lengths.require("moving_digit", length, max(2, self.shown))
        answers = self.directions if self.ask == "direction" else digits.CLASSES
        return Signature(Frames(1, self.side, self.side), Tokens(answers), Alignment.POOLED, length)

    def sample(self, length: int, count: int, generator: torch.Generator, split: Split) -> Batch:
        self.signature(length)
        shown = self.shown or length
        drawn = digits.draw(split, count, generator)
        position = torch.randint(self.side, (count, 1, 2), generator=generator)
        way = torch.randint(self.directions, (count, 1), generator=generator)
        first = torch.randint(length - shown + 1, (count, 1), generator=generator)
        places = position + torch.arange(shown)[:, None] * WAYS[way]
        source = black(count, length, 1, self.side, self.side)
        _show(source, first, places % self.side, drawn, split)
        target = way if self.ask == "direction" else digits.labels(split)[drawn, None]
        return Batch(source, target, lag=length - shown - first)

    def chance(self, length: int) -> float:
        return 1 / self.directions if self.ask == "direction" else digits.majority()

    def oracle(self, length: int, source: Tensor, source_mask: Tensor | None) -> Tensor:
        """Look at the last two frames that are not dark.

        Which digit it is, is looked up: the frame is compared with every stored image, of every
        split, at every place.
        """
        lit = source.flatten(2).any(2)
        last = length - 1 - lit.flip(1).int().argmax(1)
        rows = torch.arange(len(source))
        now, before = (source[rows, step, 0].float() for step in (last, (last - 1).clamp(min=0)))
        if self.ask == "direction":
            moved = [before.roll(way.tolist(), (1, 2)) for way in WAYS[: self.directions]]
            errors = [(now - frame).square().sum((1, 2)) for frame in moved]
            return torch.stack(errors).argmin(0)[:, None]
        return torch.stack([_recognised(frame) for frame in now])[:, None]

    def display_names(self, length: int) -> DisplayNames:
        return DisplayNames(target=WORDS[: self.directions] if self.ask == "direction" else ())


def _show(source: Tensor, first: Tensor, places: Tensor, image: Tensor, split: Split) -> None:
    """Write an image `(B,)` into each film of the source, in frames that wrap around.

    first: `(B, 1)`, the first frame that shows it; places: `(B, F, 2)`, where it begins in `F`.
    """
    count, length, _, side, _ = source.shape
    down, right = places.unbind(2)
    frame = length * torch.arange(count)[:, None] + first + torch.arange(places.shape[1])
    line = side * frame[..., None] + (down[..., None] + torch.arange(8)) % side
    lines = embedding(side * image[:, None] + right, _lines(split, side)).view(-1, side // 4)
    source.view(-1, side).view(FOUR).index_copy_(0, line.flatten(), lines)


@lru_cache(maxsize=8)
def _lines(split: Split, side: int) -> Tensor:
    """The 8 lines of each image at each place from left to right, `(side N, 2 side)` of `FOUR`."""
    wide = pad(digits.images(split), (0, side - 8))
    moved = torch.stack([wide.roll(right, 2) for right in range(side)], dim=1)
    return moved.view(-1, 8 * side).view(FOUR)


def _recognised(frame: Tensor) -> Tensor:
    """The class of the stored image that is the nearest to some part of a frame `(side, side)`."""
    wrapped = torch.nn.functional.pad(frame[None, None], (0, 7, 0, 7), mode="circular")
    parts = torch.nn.functional.unfold(wrapped, 8)[0]  # (64, side * side)
    known = digits.images().float().flatten(1)
    errors = known.square().sum(1)[:, None] - 2 * known @ parts  # less what all have in common
    return digits.labels()[errors.amin(1).argmin()]


register("moving_digit", MovingDigit())
