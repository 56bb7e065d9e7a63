"""`digits`: a real handwritten digit, read pixel by pixel."""

from dataclasses import dataclass
from functools import cache
from math import isqrt
from typing import ClassVar, Literal

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from lagbench import (
    Alignment,
    Batch,
    DisplayNames,
    Reals,
    Signature,
    Split,
    Task,
    Tokens,
    UserError,
    register,
)
from lagbench.material import digits


@dataclass(frozen=True)
class Digits(Task):
    """Classify a handwritten digit whose pixels are read one by one.

    Data:
        0.0 0.0 0.31 0.81 0.56 0.06 0.0 0.0 | 0.0 0.0 0.81 0.94 … 0.0  ->  0
        One of scikit-learn's 1,797 real images, in a stratified partition; see
        `lagbench.material.digits`.
    Length: pixels, a square `n * n` with `n >= 8`; the 8 × 8 image is resampled to `n × n`
        (bilinear).
    Lag: none; the whole image decides.
    Chance: the share of the most frequent class.
    Source: after the pixel-by-pixel MNIST of Le, Jaitly and Hinton (2015), A Simple Way to
        Initialize Recurrent Networks of Rectified Linear Units (arXiv:1504.00941).

    Attributes:
        order: "rows": row by row; "permuted": in one fixed random order for each length.
    """

    lengths: ClassVar[tuple[int, ...]] = (64, 256)

    order: Literal["rows", "permuted"] = "rows"

    def signature(self, length: int) -> Signature:
        if length < 64 or isqrt(length) ** 2 != length:
            raise UserError(
                f"digits needs a length that is the square of 8 or more (64, 81, 100, …, 256, …), "
                f"not {length}."
            )
        return Signature(Reals(1), Tokens(digits.CLASSES), Alignment.POOLED, length)

    def sample(self, length: int, count: int, generator: torch.Generator, split: Split) -> Batch:
        self.signature(length)
        drawn = digits.draw(split, count, generator)
        return Batch(_pixels(length, self.order, split)[drawn], digits.labels(split)[drawn, None])

    def chance(self, length: int) -> float:
        return digits.majority()

    def num_examples(self, length: int, split: Split) -> int:
        return len(digits.labels(split))

    def oracle(self, length: int, source: Tensor, source_mask: Tensor | None) -> Tensor:
        """Look the image up among all that are stored, of every split, and read its label.

        What a handwritten digit means cannot be computed from first principles; that every image
        is recognised proves that the source still has what is needed to tell the classes apart.
        """
        known = _pixels(length, self.order, None).squeeze(2)
        nearest = torch.cdist(source.squeeze(2).double(), known.double()).argmin(1)
        return digits.labels()[nearest, None]

    def display_names(self, length: int) -> DisplayNames:
        return DisplayNames(row=isqrt(length))


@cache
def _pixels(length: int, order: str, split: Split | None) -> Tensor:
    """The images of a split as sequences of grey levels, `(N, length, 1)`."""
    side = isqrt(length)
    images = digits.images(split).float()[:, None]
    scaled = interpolate(images, (side, side), mode="bilinear")
    pixels = scaled.reshape(-1, length, 1)
    if order == "permuted":
        pixels = pixels[:, torch.randperm(length, generator=torch.Generator().manual_seed(length))]
    return pixels


register("digits", Digits())
