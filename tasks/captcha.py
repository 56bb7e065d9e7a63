"""`captcha`: one image of several handwritten digits, to be written down."""

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import torch
from torch import Tensor

from lagbench import Alignment, Batch, Frames, Signature, Split, Task, Tokens, UserError, register
from lagbench.material import digits, lengths
from lagbench.material.digits import choose
from lagbench.material.pictures import Stamps, recognise, split_into_cells


@dataclass(frozen=True)
class Captcha(Task):
    """Write down the digits in an image.

    Data:
        one image of 10 × 40 pixels: 2 0 1 7, slightly out of line  ->  2 0 1 7
        At length 4. Digits are real images of `lagbench.material.digits`; splits share none.
    Length: digits; at least 1. The source is one step.
    Lag: `u + 1` for target step `u`, since the source is one step.
    Chance: 1/10.
    Source: Goodfellow et al. (2014), Multi-digit Number Recognition from Street View Imagery
        (arXiv:1312.6082).

    Attributes:
        play: by how many pixels a digit may be moved, down and to the right; at least 0.
    """

    lengths: ClassVar[tuple[int, ...]] = (1, 2, 4, 8, 16)

    play: int = 2

    def __post_init__(self) -> None:
        if self.play < 0:
            raise UserError(f"captcha needs a play of at least 0 pixels, not {self.play}.")

    def signature(self, length: int) -> Signature:
        lengths.require("captcha", length, 1)
        side = 8 + self.play
        return Signature(
            Frames(1, side, side * length), Tokens(digits.CLASSES), Alignment.FREE, 1, length
        )

    def sample(self, length: int, count: int, generator: torch.Generator, split: Split) -> Batch:
        self.signature(length)
        target = torch.randint(digits.CLASSES, (count, length), generator=generator)
        image = choose(target, split, generator)
        position = torch.randint((self.play + 1) ** 2, (count, length), generator=generator)
        picture = _stamps(self.play, split).paint(image[:, None], position[:, None])
        return Batch(
            picture[:, None, None], target, lag=torch.arange(1, length + 1).expand(count, -1)
        )

    def chance(self, length: int) -> float:
        return 1 / digits.CLASSES

    def oracle(self, length: int, source: Tensor, source_mask: Tensor | None) -> Tensor:
        """Recognise the images, all of which are known."""
        cells = split_into_cells(source[:, 0, 0], 1, length)[:, 0]
        return digits.labels()[recognise(cells, digits.images())]


@lru_cache(maxsize=8)
def _stamps(play: int, split: Split) -> Stamps:
    """The images of a split."""
    return Stamps(digits.images(split), play)


register("captcha", Captcha())
