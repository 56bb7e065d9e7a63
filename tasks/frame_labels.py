"""`frame_labels`: a video in which digits flash up, and a label for every frame."""

from dataclasses import dataclass

import torch
from torch import Tensor

from lagbench import Alignment, Batch, Frames, Signature, Split, Task, Tokens, UserError, register
from lagbench.material import digits, lengths
from lagbench.material.digits import choose
from lagbench.material.pictures import recognise


@dataclass(frozen=True)
class FrameLabels(Task):
    """Label every frame of a video with the digit shown last.

    Data:
        3 . . 7 . 3 . .  ->  3 3 3 7 7 3 3 3
        `.` is an empty frame. Digits are real images of `lagbench.material.digits`; splits share
        none.
    Length: frames; at least 1. Digits are further apart in longer videos.
    Lag: to the frame that shows the digit; 0 in that frame.
    Chance: 1/10.
    Source: a label for every frame as in Donahue et al. (2015), Long-term Recurrent Convolutional
        Networks (arXiv:1411.4389); hidden objects persist as in Shamsian et al. (2020), Learning
        Object Permanence from Video (arXiv:2003.10469).

    Attributes:
        shown: the expected number of digits, about; the first frame always shows one, and any other
            with probability `shown / T`.
    """

    shown: float = 4.0

    def __post_init__(self) -> None:
        if not self.shown >= 0:
            raise UserError(f"frame_labels needs at least 0 digits shown, not {self.shown}.")

    def signature(self, length: int) -> Signature:
        lengths.require("frame_labels", length, 1)
        frames, classes = Frames(1, 8, 8), Tokens(digits.CLASSES)
        return Signature(frames, classes, Alignment.ALIGNED, length, length, causal=True)

    def sample(self, length: int, count: int, generator: torch.Generator, split: Split) -> Batch:
        self.signature(length)
        shows = torch.rand(count, length, generator=generator) < self.shown / length
        shows[:, 0] = True
        classes = torch.randint(digits.CLASSES, (count, length), generator=generator)
        images = digits.images(split)
        source = images.new_zeros(count, length, 1, 8, 8)
        source[shows] = images[choose(classes[shows], split, generator)][:, None]
        last = self._last(shows)
        return Batch(source, classes.gather(1, last), lag=torch.arange(length) - last)

    def chance(self, length: int) -> float:
        return 1 / digits.CLASSES

    def oracle(self, length: int, source: Tensor, source_mask: Tensor | None) -> Tensor:
        """Recognise the images, all of which are known, and keep the last."""
        shows = source.flatten(2).any(dim=2)
        classes = digits.labels()[recognise(source[:, :, 0], digits.images())]
        return classes.gather(1, self._last(shows))

    def _last(self, shows: Tensor) -> Tensor:
        """The last frame up to each that shows something, `(B, T)`."""
        return (shows * torch.arange(shows.shape[1])).cummax(dim=1).values


register("frame_labels", FrameLabels())
