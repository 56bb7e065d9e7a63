"""`heartbeat`: the rhythm of a heart, from an electrocardiogram of varying length."""

from dataclasses import dataclass
from math import exp
from typing import ClassVar

import torch
from torch import Tensor

from lagbench import (
    Alignment,
    Batch,
    DisplayNames,
    Reals,
    Signature,
    Split,
    Tokens,
    UserError,
    register,
)
from lagbench.material import lengths
from lagbench.material.lengths import LengthRange, Longer
from lagbench.material.real.builders import classified_signals
from lagbench.material.real.examples import Examples
from lagbench.material.real.loading import Columns, LoadedDataset, label_column, signal_column
from lagbench.material.real.task import RealOrSyntheticTask

RHYTHMS = ("normal", "tachycardia", "bradycardia", "fibrillation", "extra beat")
NORMAL, TACHYCARDIA, BRADYCARDIA, FIBRILLATION, EXTRA = range(len(RHYTHMS))
# Times are in samples, sixteenths of a second. For each rhythm: the shortest and the longest mean
# interval between beats, and by how much an interval may differ from it.
INTERVALS = torch.tensor([(11, 15), (6, 7), (20, 26), (14, 14), (11, 15)])
SPREADS = torch.tensor([1, 1, 1, 6, 1])
_SHORTEST, _LONGEST = 5, 27  # of all intervals
_EXTRA = 0.6  # of an interval, where an extra beat comes
# Waves P, Q, R, S, T: height, width, and place from R on; T comes after a share of the interval.
_HEIGHTS = torch.tensor([0.25, -0.15, 1.0, -0.2, 0.3])
_WIDTHS = (0.5, 0.4, 0.4, 0.4, 1.0)
_PLACES = torch.tensor([-2, -1, 0, 1])
_T_PLACE = 0.3
_REACH = 4  # widths to either side that a wave is summed up to
_MARGIN = 4  # samples beyond either end of the trace where waves still count
_LOUDEST = 0.05
_NEVER = -(2**31)


@dataclass(frozen=True)
class Heartbeat(RealOrSyntheticTask):
    """Classify the rhythm of an electrocardiogram.

    Data:
        0.00  0.25 -0.10  0.98 -0.16  0.03  0.18  0.30  0.18  0.04 …  ->  normal
              (P)   (Q)   (R)   (S)               (T)
        Synthetic, 16 samples a second, with noise. The waves P, Q, R, S and T of a beat are
        Gaussians. Intervals between beats vary by a sample; in fibrillation they vary widely and
        there is no P; an extra beat (an interpolated premature one) comes between two regular ones.
    Length: the most samples; at least 54, two beats of the slowest heart. The number of samples is
        uniform from `shortest` of it, but at least 54.
    Lag: to R of the extra beat; -1 for other rhythms, which no single step decides.
    Chance: 1/5; of real signals, the share of the most frequent class in training.
    Source: waves as in McSharry, Clifford, Tarassenko and Smith (2003), A Dynamical Model for
        Generating Synthetic Electrocardiogram Signals, IEEE Transactions on Biomedical Engineering
        50(3); rates with the clinical limits of 60 and 100 beats a minute.

    Attributes:
        noise: the amplitude of uniform noise; at most 0.05, where every rhythm can still be
            recognised with certainty.
        shortest: the shortest example as a share of the longest.
        source: real signals with classes instead, a file, folder or name on the Hub; see
            `lagbench.material.real`. Scaled by the mean and standard deviation of training.
        subset: of a data set on the Hub that has several.
        signal: the column of lists of numbers.
        label: the column of classes.
        longer: whether longer signals are cut to the length or dropped.
    """

    lengths: ClassVar[tuple[int, ...]] = (64, 128, 256, 512)
    synthetic_only = frozenset({"noise"})
    real_only = RealOrSyntheticTask.real_only | {"signal", "label", "longer"}

    noise: float = 0.05
    shortest: float = 0.5
    signal: str = "signal"
    label: str = "label"
    longer: Longer = "cut"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.noise <= _LOUDEST:
            raise UserError(
                f"heartbeat needs a noise from 0 to {_LOUDEST}, so that every rhythm can be told, "
                f"not {self.noise}."
            )
        lengths.require_share("heartbeat", self.shortest)

    @property
    def columns(self) -> Columns:
        return (self.signal, signal_column), (self.label, label_column)

    def build_examples(self, dataset: LoadedDataset, length: int) -> Examples:
        accepted = LengthRange(lengths.minimum(length, self.shortest), length, self.longer)
        return classified_signals(dataset, length, accepted)

    def synthetic_signature(self, length: int) -> Signature:
        lengths.require("heartbeat", length, 2 * _LONGEST)
        padded = self._fewest(length) < length
        return Signature(Reals(1), Tokens(len(RHYTHMS)), Alignment.POOLED, length, padded=padded)

    def synthetic_sample(
        self, length: int, count: int, generator: torch.Generator, split: Split
    ) -> Batch:
        self.synthetic_signature(length)
        steps = torch.randint(self._fewest(length), length + 1, (count, 1), generator=generator)
        rhythm = torch.randint(len(RHYTHMS), (count, 1), generator=generator)
        interval, beats = _beats(length, rhythm, generator)
        extra = torch.where(rhythm == EXTRA, _between(beats, steps, generator), _NEVER)
        lag = torch.where(rhythm == EXTRA, steps - 1 - extra, -1)
        trace = _waves(length, torch.cat([beats, extra], dim=1), interval, rhythm)
        trace += self.noise * (2 * torch.rand(trace.shape, generator=generator) - 1)
        mask = lengths.mask(steps.squeeze(1), length)
        return Batch((trace * mask)[..., None], rhythm, mask, lag=lag)

    def synthetic_chance(self, length: int) -> float:
        return 1 / len(RHYTHMS)

    def synthetic_oracle(self, length: int, source: Tensor, source_mask: Tensor | None) -> Tensor:
        """Measure the intervals between the R waves, and look for P waves before them."""
        real = lengths.mask(lengths.real_steps(source, source_mask), length)
        trace = source.squeeze(2) * real
        spike = trace > 0.6
        beat_with_p = (trace[:, :-2] > 0.15) & spike[:, 2:]
        step = torch.arange(length)
        last = torch.where(spike, step, -1).cummax(1).values
        ends = spike[:, 1:] & (last[:, :-1] >= 0)  # of an interval
        intervals = (step[1:] - last[:, :-1]).double()
        mean = (intervals * ends).sum(1) / ends.sum(1)
        longest = torch.where(ends, intervals, 0).amax(1)
        shortest = torch.where(ends, intervals, length).amin(1)
        rhythm = torch.where(mean < 9, TACHYCARDIA, torch.where(mean > 17.5, BRADYCARDIA, NORMAL))
        rhythm = torch.where(longest - shortest > 3, EXTRA, rhythm)
        return torch.where(beat_with_p.any(1), rhythm, FIBRILLATION)[:, None]

    def synthetic_display_names(self) -> DisplayNames:
        return DisplayNames(target=RHYTHMS)

    def _fewest(self, length: int) -> int:
        return max(2 * _LONGEST, lengths.minimum(length, self.shortest))


def _beats(length: int, rhythm: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """The mean interval `(B, 1)`, and when R comes in each beat `(B, K)`, first before step 0."""
    count = length // _SHORTEST + 2
    low, high = INTERVALS[rhythm].unbind(2)
    uniform = torch.rand(len(rhythm), count + 2, generator=generator, dtype=torch.float64)
    interval = low + (uniform[:, :1] * (high - low + 1)).long()
    spread = SPREADS[rhythm]
    beats = interval - spread + (uniform[:, 1:-1] * (2 * spread + 1)).long()
    beats[:, 0] = -1 - (uniform[:, -1] * interval[:, 0]).long()
    return interval, beats.cumsum(1)


def _between(beats: Tensor, steps: Tensor, generator: torch.Generator) -> Tensor:
    """A step `(B, 1)` between any two beats next to each other inside the trace."""
    outside = (beats < 0).sum(1, keepdim=True)
    gaps = (beats < steps).sum(1, keepdim=True) - outside - 1
    uniform = torch.rand(steps.shape, generator=generator, dtype=torch.float64)
    first = outside + (uniform * gaps).long()
    start, end = beats.gather(1, first), beats.gather(1, first + 1)
    return start + (_EXTRA * (end - start)).round().long()


def _waves(length: int, beats: Tensor, interval: Tensor, rhythm: Tensor) -> Tensor:
    """The trace `(B, length)` without noise: an impulse a wave, widened to a Gaussian.

    beats: `(B, K)`, the extra one last.
    """
    t_place = (interval * _T_PLACE).round().long()
    places = torch.cat([_PLACES.expand(len(beats), -1), t_place], dim=1)
    at = beats[:, None] + places[..., None] + _MARGIN  # (B, wave, beat)
    width = length + 2 * _MARGIN
    at = torch.where((at >= 0) & (at < width), at, width)  # the last place is never read
    heights = _HEIGHTS[:, None].repeat(len(beats), 1, beats.shape[1])
    heights[:, 0] *= rhythm != FIBRILLATION
    heights[:, 0, -1] = 0  # an extra beat starts in the chambers: nothing announces it
    impulses = torch.zeros(len(beats), len(_HEIGHTS), width + 1)
    impulses.scatter_add_(2, at, heights)
    trace = torch.zeros(len(beats), length)
    for wave, spread in enumerate(_WIDTHS):  # many times faster than a convolution of this shape
        reach = round(_REACH * spread)
        for distance in range(-reach, reach + 1):
            seen = impulses[:, wave, _MARGIN + distance : _MARGIN + distance + length]
            trace.add_(seen, alpha=exp(-0.5 * (distance / spread) ** 2))
    return trace


register("heartbeat", Heartbeat())
