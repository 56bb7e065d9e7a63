"""`caption`: one image of shapes, to be described in words."""

from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import torch
from torch import Tensor

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
from lagbench.material import lengths
from lagbench.material.pictures import Stamps, recognise, split_into_cells

SIZES = ("big", "small")
SHAPES = ("circle", "square", "triangle", "cross")
RELATIONS = ("beside", "above", "below")
WORDS = ("a", *SIZES, *SHAPES, *RELATIONS, ".")

_SIZE, _SHAPE, _RELATION, _END = (WORDS.index(word) for word in ("big", "circle", "beside", "."))


@dataclass(frozen=True)
class Caption(Task):
    """Describe the shapes in an image from left to right.

    Data:
        one image of 20 × 30 pixels  ->  a big circle above a small square beside a small cross .
        At length 12: 2 by 3 cells of 10 by 10 pixels, with a shape in the upper or lower cell of
        each column, of any brightness from 1/2 to 1. "Beside" means in the same row.
    Length: words with the full stop, which is the `end` symbol; at least 4. A shape takes 4 words.
        The number of shapes is uniform from `shortest` of the most; columns to the right are empty.
        The source is one step.
    Lag: `u + 1` for target step `u`, since the source is one step.
    Chance: the most likely word at each target step.
    Source: Vinyals et al. (2015), Show and Tell (arXiv:1411.4555), on scenes like those of CLEVR,
        Johnson et al. (2017), arXiv:1612.06890, so that exactly one caption is right.

    Attributes:
        play: by how many pixels a shape may be moved, down and to the right; at least 0.
        shortest: the fewest shapes as a share of the most.
    """

    lengths: ClassVar[tuple[int, ...]] = (4, 8, 16, 32, 64)

    play: int = 2
    shortest: float = 0.5

    def __post_init__(self) -> None:
        if self.play < 0:
            raise UserError(f"caption needs a play of at least 0 pixels, not {self.play}.")
        lengths.require_share("caption", self.shortest)

    def signature(self, length: int) -> Signature:
        lengths.require("caption", length, 4)
        most, side = length // 4, 8 + self.play
        return Signature(
            Frames(1, 2 * side, most * side),
            Tokens(len(WORDS), end=_END),
            Alignment.FREE,
            1,
            4 * most,
            padded=lengths.minimum(most, self.shortest) < most,
        )

    def sample(self, length: int, count: int, generator: torch.Generator, split: Split) -> Batch:
        steps = self.signature(length).target_steps
        most = steps // 4
        shapes = lengths.draw(most, self.shortest, count, generator)
        glyph = torch.randint(len(_GLYPHS), (count, most), generator=generator)
        row = torch.randint(2, (count, most), generator=generator)
        position = torch.randint((self.play + 1) ** 2, (count, most), generator=generator)
        light = 1 - torch.rand(count, most, generator=generator) / 2
        light = light * lengths.mask(shapes, most)
        light = light[:, None] * (row[:, None] == torch.arange(2)[:, None])
        both = glyph[:, None].expand(-1, 2, -1), position[:, None].expand(-1, 2, -1)
        picture = _stamps(self.play).paint(*both)
        side = 8 + self.play
        picture.view(count, 2, side, -1).mul_(light.repeat_interleave(side, dim=2)[:, :, None])
        asked = lengths.mask(4 * shapes, steps)
        lag = torch.where(asked, torch.arange(1, steps + 1), -1)
        return Batch(
            picture[:, None, None], _described(glyph, row, shapes), target_mask=asked, lag=lag
        )

    def chance(self, length: int) -> float:
        """Of a shape "a" is sure, each size half as likely and each kind a quarter.

        Then "beside" is half as likely as that a shape follows, or the end is likelier.
        """
        most = length // 4
        least = lengths.minimum(most, self.shortest)
        more = [min(1.0, (most - i) / (most - least + 1)) for i in range(most + 1)]  # than i shapes
        right = sum(
            more[i] * (1 + 1 / 2 + 1 / 4) + max(more[i + 1] / 2, more[i] - more[i + 1])
            for i in range(most)
        )
        return right / (4 * sum(more))

    def oracle(self, length: int, source: Tensor, source_mask: Tensor | None) -> Tensor:
        """Recognise the shapes, all of which are known."""
        cells = split_into_cells(source[:, 0, 0], 2, length // 4)
        glyph, row = recognise((cells > 0).float(), _GLYPHS).max(dim=1)
        return _described(glyph, row, (glyph >= 0).sum(1))

    def display_names(self, length: int) -> DisplayNames:
        return DisplayNames(target=WORDS)


def _described(glyph: Tensor, row: Tensor, shapes: Tensor) -> Tensor:
    """The words for glyphs and rows `(B, columns)`, of which `shapes` `(B,)` are there."""
    relation = (row.roll(-1, dims=1) - row) % 3  # 0: same row, 1: the next is below it, 2: above
    size, shape = glyph // len(SHAPES), glyph % len(SHAPES)
    words = [torch.zeros_like(glyph), _SIZE + size, _SHAPE + shape, _RELATION + relation]
    target = torch.stack(words, dim=2).flatten(1)
    target.scatter_(1, 4 * shapes[:, None] - 1, _END)
    return target * lengths.mask(4 * shapes, target.shape[1])


def _drawn() -> Tensor:
    """The shapes `(8, 8, 8)`: in both sizes, those of `SHAPES`."""
    y = torch.arange(8)[:, None] - 3.5
    x = y.T
    glyphs = []
    for half in (3.5, 1.5):
        box, radius = torch.maximum(x.abs(), y.abs()) <= half, x.hypot(y)
        glyphs += [
            box & (radius < half + 0.3) & (radius > half - 0.7),
            box,
            box & (x.abs() <= (y + half) / 2 + 0.5),
            box & ((x.abs() < 1) | (y.abs() < 1)),
        ]
    return torch.stack(glyphs).float()


_GLYPHS = _drawn()


@cache
def _stamps(play: int) -> Stamps:
    """The shapes."""
    return Stamps(_GLYPHS, play)


register("caption", Caption())
