"""Heartbeats against a sum of Gaussians over beats, and the intervals of each rhythm."""

import math

import pytest
import torch
from scipy.stats import chisquare

from lagbench.contract import Split, UserError
from lagbench.tasks.heartbeat import EXTRA, FIBRILLATION, INTERVALS, RHYTHMS, SPREADS, Heartbeat

WAVES = [(0.25, 0.5, -2), (-0.15, 0.4, -1), (1.0, 0.4, 0), (-0.2, 0.4, 1)]  # height, width, place


def drawn(task: Heartbeat, length: int, count: int):
    return task.sample(length, count, torch.Generator().manual_seed(0), Split.TRAIN)


def traces(batch):
    """Each real trace, its beats, its rhythm and its lag."""
    columns = zip(batch.source[..., 0], batch.source_mask, batch.target, batch.lag, strict=True)
    for trace, real, target, lag in columns:
        trace = trace[real]
        yield trace.tolist(), (trace > 0.6).nonzero()[:, 0].tolist(), target.item(), lag.item()


def summed(beats: list[int], t_place: int, rhythm: int, extra: int, step: int) -> float:
    total = 0.0
    for beat in beats:
        for height, width, position in [*WAVES, (0.3, 1.0, t_place)]:
            announced = position != -2 or (rhythm != FIBRILLATION and beat != extra)
            total += announced * height * math.exp(-(((step - beat - position) / width) ** 2) / 2)
    return total


def test_without_noise_the_trace_is_a_sum_of_gaussians():
    for trace, beats, rhythm, lag in traces(drawn(Heartbeat(noise=0.0), 120, 60)):
        extra = len(trace) - 1 - lag if rhythm == EXTRA else -1
        inside = range(beats[0] + 1, beats[-1] + 1)  # all that only these beats have a part in
        errors = [
            max(abs(trace[step] - summed(beats, position, rhythm, extra, step)) for step in inside)
            for position in range(2, 9)
        ]
        assert min(errors) < 0.02  # waves are cut off at four widths; T of the beat before


def test_intervals_are_those_of_the_rhythm():
    seen = set()
    for trace, beats, rhythm, lag in traces(drawn(Heartbeat(), 128, 400)):
        if rhythm == EXTRA:
            extra = len(trace) - 1 - lag
            position = beats.index(extra)
            before, after = beats[position - 1], beats[position + 1]
            assert extra - before == round(0.6 * (after - before))
            beats.remove(extra)
        intervals = torch.tensor(beats).diff()
        (low, high), spread = INTERVALS[rhythm].tolist(), SPREADS[rhythm].item()
        assert (intervals >= low - spread).all()
        assert (intervals <= high + spread).all()
        assert intervals.max() - intervals.min() <= 2 * spread
        seen.add(rhythm)
    assert seen == set(range(len(RHYTHMS)))


def test_lags_point_at_extra_beats_alone():
    for trace, beats, rhythm, lag in traces(drawn(Heartbeat(), 64, 300)):
        if rhythm == EXTRA:
            assert len(trace) - 1 - lag in beats[1:-1]
        else:
            assert lag == -1


def test_lengths_are_uniform_from_the_share_to_the_whole():
    steps = drawn(Heartbeat(), 120, 6000).source_mask.sum(1)
    counts = torch.bincount(steps - 60)
    assert len(counts) == 61
    assert chisquare(counts).pvalue > 1e-5
    assert drawn(Heartbeat(shortest=0), 64, 500).source_mask.sum(1).min() == 54


def test_noise_is_bounded_and_padding_silent():
    loud, silent = drawn(Heartbeat(), 100, 200), drawn(Heartbeat(noise=0.0), 100, 200)
    noise = (loud.source - silent.source).abs()[..., 0]
    assert noise[loud.source_mask].max() == pytest.approx(0.05, abs=1e-4)
    assert (loud.source[~loud.source_mask] == 0).all()


def test_impossible_settings_are_refused():
    with pytest.raises(UserError, match=r"noise from 0 to 0\.05"):
        Heartbeat(noise=0.2)
    with pytest.raises(UserError, match="at least 54, not 53"):
        Heartbeat().signature(53)
