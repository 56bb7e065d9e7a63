"""The rule by which claims are judged, on generated effects."""

import math

import numpy as np
import pytest
from scipy import stats

from lagbench.claims.claim import (
    Claim,
    Part,
    Verdict,
    centre_and_interval,
    judged,
    ruling,
    verdict_on,
)
from lagbench.claims.evidence import Evidence, Quantity

NOTHING = Evidence({}, [])


def given(*values, first=0):
    numbered = dict(enumerate(values, start=first))
    return Quantity("given", "", lambda evidence: numbered)


def part(*quantities, least=0.1, learned=None, effect=lambda *values: values[0]):
    return Part("it is so", quantities, effect, least, learned)


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.2, 0.3, Verdict.SUPPORTED),
        (0.1, 0.3, Verdict.SUPPORTED),
        (0.0, 0.3, Verdict.UNDECIDED),
        (0.0, 0.1, Verdict.UNDECIDED),
        (-1.0, 0.0999, Verdict.REFUTED),
        (math.nan, math.nan, Verdict.UNDECIDED),
    ],
)
def test_the_rule(low, high, verdict):
    assert verdict_on(low, high, 0.1) is verdict


@pytest.mark.parametrize("seeds", [3, 5, 15])
def test_the_interval_keeps_its_level(seeds):
    """It covers the mean of normal effects 95 times in 100, whichever their number."""
    draws = np.random.default_rng(seeds).normal(0.3, 0.2, (2000, seeds))
    covered = np.mean([low <= 0.3 <= high for _, low, high in map(centre_and_interval, draws)])
    tolerance = stats.binom(2000, 0.95).interval(0.999)
    assert tolerance[0] <= 2000 * covered <= tolerance[1]


def test_the_interval_is_that_of_the_t_test():
    values = [0.1, 0.4, 0.35, 0.2]
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert centre_and_interval(values) == pytest.approx(
        (np.mean(values), expected.low, expected.high)
    )


def test_equal_effects_have_an_interval_of_no_width_and_one_has_none():
    assert centre_and_interval([0.1, 0.1, 0.1]) == (0.1, 0.1, 0.1)
    assert centre_and_interval([0.7])[0] == 0.7
    assert np.isnan(centre_and_interval([0.7])[1:]).all()
    assert np.isnan(centre_and_interval([])).all()


def test_effects_are_paired_by_seed():
    found = judged(
        part(given(1.0, 2.0, 3.0), given(0.5, 1.0, first=1), effect=lambda a, b: a - b), NOTHING
    )
    assert found.effects == {1: 1.5, 2: 2.0}
    assert found.values == ({0: 1.0, 1: 2.0, 2: 3.0}, {1: 0.5, 2: 1.0})


@pytest.mark.parametrize(
    ("values", "reason"), [((), "nothing was measured"), ((0.9,), "one seed has no interval")]
)
def test_too_little_evidence_decides_nothing(values, reason):
    found = judged(part(given(*values)), NOTHING)
    assert (found.verdict, found.reason) == (Verdict.UNDECIDED, reason)


@pytest.mark.parametrize(("reached", "verdict"), [(0.49, "undecided"), (0.5, "refuted")])
def test_where_nothing_was_learned_nothing_is_refuted(reached, verdict):
    found = judged(part(given(0.0, 0.01), learned=given(reached, reached)), NOTHING)
    assert found.verdict == verdict
    assert ("too little was learned" in found.reason) == (verdict == "undecided")


@pytest.mark.parametrize(
    ("effects", "verdict", "decisive"),
    [
        (((0.5, 0.51), (0.4, 0.41)), "supported", 0),
        (((0.5, 0.51), (0.0, 0.5)), "undecided", 1),
        (((0.0, 0.5), (0.0, 0.01)), "refuted", 1),
        (((0.0, 0.01), (-0.5, -0.51)), "refuted", 0),
    ],
)
def test_all_parts_must_hold(effects, verdict, decisive):
    claim = Claim(1, "So.", "Thus.", tuple(part(given(*some)) for some in effects))
    found = ruling(claim, NOTHING)
    assert found.verdict == verdict
    assert found.decisive is found.parts[decisive]
