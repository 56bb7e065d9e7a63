"""`melody`: a key, a mode and a figure, to be carried on as a melody in that scale."""

from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from lagbench import (
    Alignment,
    Batch,
    DisplayNames,
    Metric,
    Reals,
    Signature,
    Split,
    Tokens,
    register,
)
from lagbench.material import lengths
from lagbench.material.lengths import LengthRange, Longer
from lagbench.material.real.builders import melodies
from lagbench.material.real.examples import Examples
from lagbench.material.real.loading import Columns, LoadedDataset, chord_column
from lagbench.material.real.task import RealOrSyntheticTask
from lagbench.material.sampling import deal

KEYS = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
MODES = ("ionian", "dorian", "phrygian", "lydian", "mixolydian", "aeolian", "locrian")
STEPS = (-2, -1, 1, 2)  # of the scale, from note to note
FIGURE = 4  # steps until it begins again
DEGREES = 15  # of a scale over two octaves
NOTES = len(KEYS) + 24  # semitones above the lowest tonic

_SHAPE = (len(KEYS), len(MODES), *(len(STEPS),) * FIGURE)  # how many choices a brief has of each
_BEGINS = torch.tensor([0, *_SHAPE[:-1]]).cumsum(0)  # where each stands in the source
_MAJOR = torch.tensor([0, 2, 4, 5, 7, 9, 11])
_SCALES = torch.stack([  # `(7, 15)`: the major scale, begun at each of its degrees
    torch.cat([_MAJOR, _MAJOR + 12, _MAJOR + 24])[first : first + DEGREES] - _MAJOR[first]
    for first in range(len(MODES))
])  # fmt: skip


@dataclass(frozen=True)
class Melody(RealOrSyntheticTask):
    """Write the melody that a key, a mode and a figure of four steps determine.

    Data:
        C ionian, +2 -1 +2 +1  ->  12 16 14 17 19 23 21 24
        That is C5 E5 D5 F5 G5 B5 A5 C6, in semitones above the lowest C. The melody begins on the
        tonic in the middle of two octaves of the scale, repeats the figure, and is reflected at
        both ends. So exactly one melody is right. Of 21,504 combinations, 14 in 20 are for
        training, 3 for validation and 3 for testing.
    Length: notes; at least 1. The source is one step: one-hot vectors of the key, the mode and the
        steps of the figure.
    Lag: `u + 1` for target step `u`, since the source is one step.
    Chance: the most likely note at each target step; of real pieces, the entropy of single notes.
    Source: one-to-many as in Karpathy (2015), The Unreasonable Effectiveness of Recurrent Neural
        Networks; music as in Eck and Schmidhuber (2002), Finding Temporal Structure in Music. Real
        pieces are scored in bits as in Boulanger-Lewandowski et al. (2012), arXiv:1206.6392.

    Attributes:
        source: real pieces instead, a file, folder or name on the Hub; see
            `lagbench.material.real`. The first chord is the source, and the highest note of each
            later chord a target. Many melodies are right, so the metric is bits.
        subset: of a data set on the Hub that has several.
        notes: the column of lists of pitches, or of lists of simultaneous pitches.
        shortest: the shortest piece as a share of the longest.
        longer: whether longer pieces are cut to the length or dropped.
    """

    real_only = RealOrSyntheticTask.real_only | {"notes", "shortest", "longer"}

    notes: str = "notes"
    shortest: float = 0.5
    longer: Longer = "cut"

    def __post_init__(self) -> None:
        super().__post_init__()
        lengths.require_share("melody", self.shortest)

    @property
    def metric(self) -> Metric:  # type: ignore[override]
        return Metric.BITS if self.source else Metric.ACCURACY

    @property
    def columns(self) -> Columns:
        return ((self.notes, chord_column),)

    def build_examples(self, dataset: LoadedDataset, length: int) -> Examples:
        accepted = LengthRange(1 + lengths.minimum(length, self.shortest), 1 + length, self.longer)
        return melodies(dataset, length, accepted)

    def synthetic_signature(self, length: int) -> Signature:
        lengths.require("melody", length, 1)
        return Signature(Reals(sum(_SHAPE)), Tokens(NOTES), Alignment.FREE, 1, length)

    def synthetic_sample(
        self, length: int, count: int, generator: torch.Generator, split: Split
    ) -> Batch:
        self.synthetic_signature(length)
        briefs = _briefs(split)
        choices = briefs[deal(len(briefs), count, generator)]
        source = torch.zeros(count, 1, sum(_SHAPE))
        source.scatter_(2, (choices + _BEGINS)[:, None], 1)
        lag = torch.arange(1, length + 1).expand(count, -1)
        return Batch(source, _melody(choices, length), lag=lag)

    def synthetic_num_examples(self, split: Split) -> int:
        return len(_briefs(split))

    def synthetic_chance(self, length: int) -> float:
        figures = torch.cartesian_prod(*(torch.tensor(STEPS) for _ in range(FIGURE)))
        degree = _degrees(figures, length)
        degrees = torch.stack([column.bincount(minlength=DEGREES) for column in degree.T]).double()
        notes = torch.arange(len(KEYS))[:, None, None] + _SCALES
        sounds = torch.nn.functional.one_hot(notes.flatten(0, 1), NOTES).double().mean(0)
        return float((degrees / len(figures) @ sounds).amax(1).mean())

    def synthetic_oracle(self, length: int, source: Tensor, source_mask: Tensor | None) -> Tensor:
        """Read the brief, and carry it out."""
        parts = torch.split(source[:, 0], list(_SHAPE), dim=1)
        return _melody(torch.stack([part.argmax(dim=1) for part in parts], dim=1), length)

    def synthetic_display_names(self) -> DisplayNames:
        figure = [f"{step:+d}" for step in STEPS] * FIGURE
        return DisplayNames([*KEYS, *MODES, *figure])


def _melody(choices: Tensor, length: int) -> Tensor:
    """`(B, length)` notes for the keys, modes and figures `(B, 6)` of briefs."""
    degree = _degrees(torch.tensor(STEPS)[choices[:, 2:]], length)
    return choices[:, :1] + _SCALES[choices[:, 1]].gather(1, degree)


def _degrees(figures: Tensor, length: int) -> Tensor:
    """`(B, length)` places in the scale, of a walk by the figures `(B, 4)` from the middle."""
    steps = figures.repeat(1, -(-length // FIGURE))[:, : length - 1]
    free = torch.nn.functional.pad(steps, (1, 0)).cumsum(1) + DEGREES // 2
    turns = free % (2 * DEGREES - 2)
    return torch.minimum(turns, 2 * DEGREES - 2 - turns)


@cache
def _briefs(split: Split) -> Tensor:
    """`(N, 6)`: the keys, modes and figures of a split; a brief's number, scattered, decides."""
    first, last = {Split.TRAIN: (0, 14), Split.VALIDATION: (14, 17), Split.TEST: (17, 20)}[split]
    briefs = torch.cartesian_prod(*(torch.arange(size) for size in _SHAPE))
    scattered = torch.arange(len(briefs)) * 7919 % len(briefs) * 20 // len(briefs)
    return briefs[(scattered >= first) & (scattered < last)]


register("melody", Melody())
