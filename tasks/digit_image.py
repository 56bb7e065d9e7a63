"""`digit_image`: one image, one class: the one-to-one case."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from lagbench import Alignment, Batch, Frames, Signature, Split, Task, Tokens, UserError, register
from lagbench.material import digits


@dataclass(frozen=True)
class DigitImage(Task):
    """Classify a handwritten digit that is seen at once.

    Data:
        one image of 8 × 8 grey levels  ->  0
        One of scikit-learn's 1,797 real images, in a stratified partition; see
        `lagbench.material.digits`. `digits` reads the same images pixel by pixel, so the difference
        in accuracy is the price of reading step by step.
    Length: always 1, a single image.
    Lag: none; the whole image decides.
    Chance: the share of the most frequent class.
    Source: Alpaydin and Kaynak (1998), Optical Recognition of Handwritten Digits, UCI.
    """

    lengths: ClassVar[tuple[int, ...]] = (1,)

    def signature(self, length: int) -> Signature:
        if length != 1:
            raise UserError(f"digit_image has one image, so it needs the length 1, not {length}.")
        return Signature(Frames(1, 8, 8), Tokens(digits.CLASSES), Alignment.POOLED, length)

    def sample(self, length: int, count: int, generator: torch.Generator, split: Split) -> Batch:
        self.signature(length)
        drawn = digits.draw(split, count, generator)
        return Batch(digits.images(split)[drawn, None, None], digits.labels(split)[drawn, None])

    def chance(self, length: int) -> float:
        return digits.majority()

    def num_examples(self, length: int, split: Split) -> int:
        return len(digits.labels(split))

    def oracle(self, length: int, source: Tensor, source_mask: Tensor | None) -> Tensor:
        """Look the image up among all that are stored, of every split; see `digits`."""
        nearest = torch.cdist(source.flatten(1).double(), digits.images().flatten(1).double())
        return digits.labels()[nearest.argmin(1), None]


register("digit_image", DigitImage())
