"""Associative recall: answers looked up by hand, and gaps against the published generator's."""

from collections import Counter

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from lagbench.contract import Split, UserError
from lagbench.registry import task as configured
from lagbench.tasks.associative_recall import AssociativeRecall


def drawn(task, length, count=64):
    return task.sample(length, count, torch.Generator().manual_seed(0), Split.TRAIN)


@pytest.mark.parametrize("noise", [False, True])
@pytest.mark.parametrize("passes", [1, 2])
def test_every_key_returns_once_and_its_value_is_asked_for(noise, passes):
    task = AssociativeRecall(pairs=5, vocabulary=30, passes=passes, noise=noise)
    batch = drawn(task, 45)
    for source, target, asked, lag in zip(
        *(getattr(batch, name).tolist() for name in ("source", "target", "target_mask", "lag")),
        strict=True,
    ):
        known = dict(zip(source[:10:2], source[1:10:2], strict=True))
        assert source[:10] * passes == source[: 10 * passes]
        assert len(known) == 5
        assert len(set(known.values())) == 5
        assert 1 <= min(known) <= max(known) < 15 <= min(known.values())
        queries = [step for step in range(45) if asked[step]]
        assert sorted(source[step] for step in queries) == sorted(known)
        for step in queries:
            assert step >= 10 * passes
            assert target[step] == known[source[step]] == source[step - lag[step]]
            assert step - lag[step] in range(10 * (passes - 1), 10 * passes)


def test_fillers_are_zero_without_noise():
    batch = drawn(AssociativeRecall(pairs=2), 20)
    assert (batch.source[:, 4:][~batch.target_mask[:, 4:]] == 0).all()


@pytest.mark.parametrize("power", [0.01, 0.5, 1.0])
def test_gaps_follow_the_published_power_law(power):
    """In order, as `np.random.choice(space, 2, replace=False, p=p)` has them."""
    task, count, space = AssociativeRecall(pairs=2, power=power), 20_000, 4
    batch = drawn(task, 4 + 2 * space, count)
    p = power * np.arange(1, space + 1) ** (power - 1)
    p = p / p.sum()
    keys = batch.source[:, [0, 2]]
    places = (batch.source[:, None, 4:] == keys[:, :, None]).int().argmax(2) // 2
    seen = Counter(map(tuple, places.tolist()))
    pairs = [(one, two) for one in range(space) for two in range(space) if one != two]
    expected = [count * p[one] * p[two] / (1 - p[one]) for one, two in pairs]
    assert chisquare([seen[pair] for pair in pairs], expected).pvalue > 1e-3


def test_the_preset_mqar_is_that_of_figure_2():
    task = configured("mqar:pairs=16").value
    batch = drawn(task, 256)
    assert task.signature(256).source.size == 8192
    assert batch.target_mask.sum(1).eq(16).all()
    assert (batch.source[:, :32:2] < 4096).all()
    assert (batch.source[:, 1:32:2] >= 4096).all()


def test_impossible_settings_are_refused():
    with pytest.raises(UserError, match="at least 10 for 4 pairs, not 9"):
        AssociativeRecall(vocabulary=9)
    with pytest.raises(UserError, match="at least 1 pair"):
        AssociativeRecall(pairs=0)
    with pytest.raises(UserError, match="at least 16, not 15"):
        drawn(AssociativeRecall(), 15)
