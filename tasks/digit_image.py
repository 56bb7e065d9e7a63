"""`digit_image`: one image, one class: the one-to-one case."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from lagbench.contract import Alignment, Batch, Frames, Signature, Split, Task, Tokens, UserError
from lagbench.material import digits
from lagbench.registry import register


@dataclass(frozen=True)
class DigitImage(Task):
    """Name the handwritten digit on an image that is seen at once.

        a frame of 8 × 8 grey levels  ->  0

    The length is the number of images, and it is 1: what `digits` asks pixel by pixel, without a
    sequence, so that a difference between the two is the price of reading step by step. Every
    example is one of scikit-learn's 1,797 real images, in a fixed, stratified partition (see
    `lagbench.material.digits`). The whole image decides, so there are no lags. The chance level is
    the share of the most frequent class.

    Source: Alpaydin and Kaynak 1998, "Optical Recognition of Handwritten Digits", UCI.
    """

    lengths: ClassVar[tuple[int, ...]] = (1,)

    def signature(self, length: int) -> Signature:
        """A frame -> a class of ten; `UserError` unless the length is 1."""
        if length != 1:
            raise UserError(f"digit_image has one image, so it needs the length 1, not {length}.")
        return Signature(Frames(1, 8, 8), Tokens(digits.CLASSES), Alignment.POOLED, length)

    def sample(self, length: int, count: int, generator: torch.Generator, split: Split) -> Batch:
        """Draw images of the split, none a second time before all have been drawn."""
        self.signature(length)
        drawn = digits.draw(split, count, generator)
        return Batch(digits.images(split)[drawn, None, None], digits.labels(split)[drawn, None])

    def chance(self, length: int) -> float:
        """The share of the most frequent class among all images."""
        return digits.majority()

    def num_examples(self, length: int, split: Split) -> int:
        """How many images are in the split."""
        return len(digits.labels(split))

    def oracle(self, length: int, source: Tensor, source_mask: Tensor | None) -> Tensor:
        """Look the image up among all that are stored, of every split; see `digits`."""
        nearest = torch.cdist(source.flatten(1).double(), digits.images().flatten(1).double())
        return digits.labels()[nearest.argmin(1), None]


register("digit_image", DigitImage())
