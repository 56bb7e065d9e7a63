"""Whether the sentence on gradients and memory says what the records settle, and no more."""

import math

import pytest

from lagbench.report.tables import derive
from lagbench.report.verdict import verdict

LENGTHS = (16, 64)


def said(record, half_lives, reaches, task="recall"):
    """The sentence on records: half-lives of the seeds, and the scores at 16 and at 64."""
    records = [
        record(
            architecture=name,
            task=task,
            length=length,
            seed=seed,
            score=reaches[name][place],
            gradient_half_life=half_life if length == 64 else None,
        )
        for name in half_lives
        for place, length in enumerate(LENGTHS)
        for seed, half_life in enumerate(half_lives[name])
    ]
    (finding,) = verdict(derive(records, [])).tasks
    return [] if finding.order is None else [finding.order]


SHORT, LONG = (1.0, 0.0), (1.0, 1.0)


def test_an_order_that_both_settle_is_said_with_its_intervals(record):
    (sentence,) = said(
        record, {"lstm": [20, 30], "rnn": [1, 2], "gru": [25, math.inf]},
        {"lstm": LONG, "rnn": SHORT, "gru": LONG},
    )  # fmt: skip
    assert "at length 64" in sentence
    # The mean of one halving and of half a halving a step is three quarters of one.
    assert "order alike rnn (halves in 1.3 steps, 1 to 2; reaches 32, 32 to 32) < lstm" in sentence
    assert "and gru (halves in 50 steps, 25 to ∞; reaches ≥ 64, ≥ 64)" in sentence
    assert "; the order of lstm with gru is not settled" in sentence
    assert sentence.count(".") == 1 + sentence.count("1.3")


def test_three_in_a_row(record):
    half_lives = {"a": [1, 1.1], "b": [5, 6], "c": [50, 60]}
    (sentence,) = said(record, half_lives, {"a": (0.0, 0.0), "b": SHORT, "c": LONG})
    assert "order alike a (" in sentence
    assert "), b < c." in sentence
    assert "settled" not in sentence


def test_intervals_that_overlap_settle_nothing(record):
    (sentence,) = said(record, {"a": [1, 9], "b": [5, 60]}, {"a": SHORT, "b": LONG})
    assert "settle no order; the order of a with b is not settled" in sentence
    assert "<" not in sentence


def test_equal_horizons_settle_nothing_however_far_the_half_lives(record):
    (sentence,) = said(record, {"a": [1, 1.1], "b": [50, 60]}, {"a": LONG, "b": LONG})
    assert "settle no order" in sentence


def test_a_contradiction_is_said(record):
    (sentence,) = said(record, {"a": [1, 1.1], "b": [50, 60]}, {"a": LONG, "b": SHORT})
    assert "settle no order; they contradict each other on a with b." in sentence


def test_a_single_seed_settles_nothing(record):
    (sentence,) = said(record, {"a": [1], "b": [50]}, {"a": SHORT, "b": LONG})
    assert "settle no order" in sentence
    assert "or there are none" in sentence


@pytest.mark.parametrize("half_lives", [{"a": [1, 2]}, {"a": [None, None], "b": [None, 3]}])
def test_with_fewer_than_two_to_compare_there_is_no_sentence(record, half_lives):
    assert said(record, half_lives, dict.fromkeys(half_lives, LONG)) == []
