"""Transcription: the signal decoded frame by frame, durations, and chance against enumeration."""

from collections import Counter
from itertools import groupby, product

import pytest
import torch
from scipy.stats import chisquare

from lagbench.contract import Split, UserError
from lagbench.tasks.transcription import Transcription


def drawn(task, length, count=200):
    return task.sample(length, count, torch.Generator().manual_seed(0), Split.TRAIN)


def heard(frame):
    return sum(2**bit for bit, value in enumerate(frame) if value > 0)


@pytest.mark.parametrize(("alphabet", "fastest", "slowest"), [(8, 2, 6), (2, 1, 3), (5, 4, 4)])
def test_the_signal_spells_the_target(alphabet, fastest, slowest):
    task, length = Transcription(alphabet, fastest, slowest), 21
    batch = drawn(task, length)
    for row in range(200):
        signal = batch.source[row, batch.source_mask[row]].tolist()
        runs = [(symbol, len(list(run))) for symbol, run in groupby(map(heard, signal))]
        known = batch.target[row, batch.target_mask[row]].tolist()
        assert known == [*(symbol for symbol, _ in runs), task.alphabet]
        assert all(task.fastest <= frames <= task.slowest for _, frames in runs)
        assert length - len(signal) < task.slowest
        sizes = torch.tensor(signal).abs()
        assert (sizes >= 0.2 - 1e-6).all()
        assert (sizes <= 1.8 + 1e-6).all()


def test_symbols_durations_and_noise_are_uniform():
    batch = drawn(Transcription(), 6, 8000)
    assert chisquare(torch.bincount(batch.target[:, 0])).pvalue > 1e-3
    batch = drawn(Transcription(slowest=3), 12, 8000)
    symbols = batch.source.gt(0).long() @ torch.tensor([1, 2, 4])
    assert (
        chisquare(
            [(symbols[:, 2] == symbols[:, 0]).sum(), (symbols[:, 2] != symbols[:, 0]).sum()]
        ).pvalue
        > 1e-3
    )
    assert chisquare(torch.histc(batch.source[:, 0, 0].abs(), 16, 0.2, 1.8)).pvalue > 1e-3


def test_chance_is_that_of_all_durations():
    task, length = Transcription(alphabet=4, fastest=1, slowest=3), 5
    counts = [Counter() for _ in range(6)]
    for frames in product((1, 2, 3), repeat=5):
        known = sum(sum(frames[: k + 1]) <= length for k in range(5))
        for position in range(known):
            for symbol in range(4):
                counts[position][symbol] += 1 / 4
        counts[known]["end"] += 1
    right = sum(max(position.values()) for position in counts)
    expected = right / sum(sum(position.values()) for position in counts)
    assert task.chance(length) == pytest.approx(expected, rel=1e-12)


def test_impossible_settings_are_refused():
    for fields in (
        {"alphabet": 1},
        {"fastest": 0},
        {"fastest": 7},
        {"noise": 1.0},
        {"noise": -0.1},
    ):
        with pytest.raises(UserError):
            Transcription(**fields)
    with pytest.raises(UserError, match="at least 6, not 5"):
        drawn(Transcription(), 5)
