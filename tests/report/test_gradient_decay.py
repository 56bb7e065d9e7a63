"""Whether the sentence on gradients and memory says what the records settle, and no more."""

import math
from typing import Any

import pytest

from lagbench.report.gradient_decay import GradientOrder
from lagbench.report.tables import derive
from lagbench.report.verdict import verdict

LENGTHS = (16, 64)


def ordered(
    record: Any, half_lives: Any, reaches: dict[str, tuple[float, float]]
) -> GradientOrder | None:
    """The order of records: half-lives of the seeds, and the scores at 16 and at 64."""
    records = [
        record(
            architecture=name,
            length=length,
            seed=seed,
            score=reaches[name][index],
            gradient_half_life=half_life if length == 64 else None,
        )
        for name in half_lives
        for index, length in enumerate(LENGTHS)
        for seed, half_life in enumerate(half_lives[name])
    ]
    (finding,) = verdict(derive(records, [])).tasks
    return finding.order


def order_of(record: Any, half_lives: Any, reaches: Any) -> tuple[GradientOrder, dict[str, Any]]:
    """The order, and the names of its pairs by whether gradients and memory agree."""
    order = ordered(record, half_lives, reaches)
    assert order is not None
    kinds = ("alike", "contradicting", "undecided")
    return order, {
        kind: [(a.architecture, b.architecture) for a, b in getattr(order, kind)] for kind in kinds
    }


SHORT, LONG = (1.0, 0.0), (1.0, 1.0)


def test_an_order_that_both_settle_has_its_intervals(record: Any) -> None:
    order, names = order_of(
        record, {"lstm": [20, 30], "rnn": [1, 2], "gru": [25, math.inf]},
        {"lstm": LONG, "rnn": SHORT, "gru": LONG},
    )  # fmt: skip
    assert order.length == 64
    assert names == {
        "alike": [("rnn", "lstm"), ("rnn", "gru")],
        "contradicting": [],
        "undecided": [("lstm", "gru")],
    }
    rnn, gru = order.alike[1]
    # The mean of one halving and of half a halving a step is three quarters of one.
    assert (rnn.rate, rnn.low, rnn.high) == (0.75, 0.5, 1.0)
    assert (rnn.horizon.horizon, rnn.horizon.low, rnn.horizon.high) == (32, 32, 32)
    assert (gru.rate, gru.low, gru.high) == (0.02, 0.0, 0.04)
    assert str(rnn) == "rnn (halves in 1.3 steps, 1 to 2; reaches 32, 32 to 32)"
    assert str(gru) == "gru (halves in 50 steps, 25 to ∞; reaches ≥ 64, ≥ 64)"
    assert f"{rnn} < " in str(order)


def test_three_in_a_row(record: Any) -> None:
    half_lives = {"a": [1, 1.1], "b": [5, 6], "c": [50, 60]}
    order, names = order_of(record, half_lives, {"a": (0.0, 0.0), "b": SHORT, "c": LONG})
    assert names["alike"] == [("a", "b"), ("a", "c"), ("b", "c")]
    assert names["undecided"] == []
    assert str(order).endswith("), b < c.")


def test_intervals_that_overlap_settle_nothing(record: Any) -> None:
    order, names = order_of(record, {"a": [1, 9], "b": [5, 60]}, {"a": SHORT, "b": LONG})
    assert names == {"alike": [], "contradicting": [], "undecided": [("a", "b")]}
    assert "<" not in str(order)


def test_equal_horizons_settle_nothing_however_far_the_half_lives(record: Any) -> None:
    _, names = order_of(record, {"a": [1, 1.1], "b": [50, 60]}, {"a": LONG, "b": LONG})
    assert (names["alike"], names["contradicting"]) == ([], [])


def test_a_contradiction_is_said(record: Any) -> None:
    order, names = order_of(record, {"a": [1, 1.1], "b": [50, 60]}, {"a": LONG, "b": SHORT})
    assert names == {"alike": [], "contradicting": [("a", "b")], "undecided": []}
    assert "contradict each other on a with b." in str(order)


def test_a_single_seed_settles_nothing(record: Any) -> None:
    order, names = order_of(record, {"a": [1], "b": [50]}, {"a": SHORT, "b": LONG})
    assert names["undecided"] == [("a", "b")]
    assert all(
        math.isnan(bound) for decay in order.undecided[0] for bound in (decay.low, decay.high)
    )


@pytest.mark.parametrize("half_lives", [{"a": [1, 2]}, {"a": [None, None], "b": [None, 3]}])
def test_with_fewer_than_two_to_compare_there_is_no_order(record: Any, half_lives: Any) -> None:
    assert ordered(record, half_lives, dict.fromkeys(half_lives, LONG)) is None
