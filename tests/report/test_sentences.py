"""The verdict and the words of numbers."""

import re
from types import SimpleNamespace
from typing import Any

import pytest

from lagbench.record import Record
from lagbench.report import wording
from lagbench.report.statistics import Censored
from lagbench.report.tables import derive
from lagbench.report.verdict import verdict


def said(records: list[Record], throughputs: Any = ()) -> str:
    """All findings of a run as one text."""
    found = verdict(derive(records, list(throughputs)))
    return " ".join(sentence for each in found.tasks for sentence in each.sentences)


def lines(record: Any, seeds: int = 1, **scores: list[float | None]) -> list[Record]:
    """Scores of each architecture at lengths 16, 32, 64, …; None: it diverged."""
    return [
        record(
            architecture=name,
            length=16 * 2**place,
            seed=seed,
            score=score,
            selected=score is not None,
            status="ok" if score is not None else "diverged",
        )
        for name, line in scores.items()
        for place, score in enumerate(line)
        for seed in range(seeds)
    ]


def test_who_holds_and_who_forgets_first(record: Any) -> None:
    text = said(lines(record, gru=[1, 0.9, 0.8], lstm=[1, 0.75, 0.25], rnn=[0.75, 0.25, 0]))
    assert "Up to 64, the longest length scored, gru (score 0.80) holds." in text
    assert "The first to forget is rnn at about 22.6, then lstm at about 45.3." in text


def test_those_who_hold_are_ranked_with_their_intervals(record: Any) -> None:
    text = said(lines(record, seeds=3, a=[1, 0.8], b=[1, 0.9]))
    assert "b (score 0.90, 0.90 to 0.90) and a (score 0.80, 0.80 to 0.80) hold." in text


def test_none_is_said_to_be_first_where_one_never_held(record: Any) -> None:
    text = said(lines(record, a=[0.1, 0.1], b=[0.75, 0.25]))
    assert "no architecture was found to hold." in text
    assert "a does not hold even at 16." in text
    assert "Forgetting sets in for b at about 22.6." in text
    assert "first" not in text


def test_none_is_said_to_be_first_where_another_was_scored_less_far(record: Any) -> None:
    text = said(lines(record, a=[0.9, None, None], b=[0.9, 0.75, 0.25]))
    assert "Forgetting sets in for b" in text
    assert "a (to 16) holds as far as there are scores." in text
    assert "first" not in text


def test_overlapping_intervals_settle_no_order(record: Any) -> None:
    wide = [
        record(architecture=name, length=length, seed=seed, score=score)
        for name, shift in (("a", 0.0), ("b", 0.05))
        for length, scores in ((16, (0.9, 0.8, 0.7)), (64, (0.4, 0.2, 0.1)))
        for seed, score in enumerate(value + shift for value in scores)
    ]
    unsettled = "their order is not settled"
    assert unsettled in said(wide)
    assert unsettled not in said(lines(record, seeds=3, a=[0.75, 0.25, 0], b=[1, 0.75, 0.25]))


def test_the_price_is_that_of_those_who_reach_furthest(record: Any, throughput: Any) -> None:
    speeds = [
        throughput(architecture=name, length=32, train_relative=speed, inference_relative=2 * speed)
        for name, speed in (("gru", 0.4), ("lstm", 0.45), ("rnn", 1.0))
    ]
    text = said(lines(record, gru=[1, 0.9], lstm=[1, 0.8], rnn=[0.75, 0.25]), speeds)
    assert "Training speed at 32" in text
    assert text.endswith("lstm 0.45× (0.9×) and gru 0.4× (0.8×).")


def test_those_without_a_score_are_named(record: Any) -> None:
    assert "Without a score at the shortest length: b;" in said(lines(record, a=[0.9], b=[None]))


def test_many_are_counted_and_the_last_to_forget_is_named(record: Any) -> None:
    scores = {f"a{index}": [0.55 + index / 20, 0.1] for index in range(8)}
    text = said(lines(record, **scores))
    assert "and 3 more" in text
    assert "The last of these to forget is a7 at about 22.6." in text


@pytest.mark.parametrize(
    ("scores", "seeds", "overview"),
    [
        ({}, 1, "No trial has been recorded."),
        ({"a": [None]}, 1, "1 trial of 1 architecture on 1 task: 1 diverged. No trial was scored"),
        ({"a": [0.9]}, 1, "There is one seed each and so no interval"),
        ({"a": [0.9]}, 3, "Scores are means over 3 seeds"),
        ({"a": [0.9]}, 5, "Scores are interquartile means over 5 seeds"),
    ],
)
def test_overview(record: Any, scores: Any, seeds: int, overview: str) -> None:
    found = verdict(derive(lines(record, seeds, **scores), []))
    assert overview in " ".join([*found.overview, *found.terms])


def overview(records: list[Record], throughputs: Any = ()) -> str:
    return " ".join(verdict(derive(records, list(throughputs))).overview)


def test_whom_to_take_is_who_costs_least_of_those_that_hold(record: Any, throughput: Any) -> None:
    records = lines(record, gru=[1, 0.9], lstm=[1, 0.8], rnn=[0.75, 0.25])
    said = "To hold up to the longest length "
    assert f"{said}with the best score: gru (recall to 32)." in overview(records)
    speeds = [
        throughput(architecture=name, length=32, train_relative=speed)
        for name, speed in (("gru", 0.4), ("lstm", 0.45), ("rnn", 1.0))
    ]
    assert f"{said}at the least cost of training: lstm (recall to 32)." in overview(records, speeds)


def test_tasks_on_which_nobody_holds_are_named(record: Any) -> None:
    other = record(task="copy", architecture="a", score=0.1)
    said = "Nobody holds up to the longest length on copy and recall (furthest: b, 22.6)."
    assert said in overview([*lines(record, a=[0.1, 0.1], b=[0.75, 0.25]), other])


def test_the_overview_says_how_many_comparisons_are_settled(record: Any) -> None:
    apart = overview(lines(record, seeds=10, a=[0.9], b=[0.1]))
    assert "Of 1 comparison of two architectures on a task, 1 is settled by these seeds" in apart
    few = overview(lines(record, seeds=3, a=[0.9], b=[0.1]))
    assert "Of 1 comparison of two architectures on a task, 0 are settled by these seeds" in few
    assert "settled" not in overview(lines(record, a=[0.9], b=[0.1]))


def test_a_single_trial_is_compared_with_none(record: Any) -> None:
    assert said(lines(record, a=[0.9])) == "Up to 16, the only length scored, a (score 0.90) holds."


def test_every_sentence_ends_as_one(grid: list[Record]) -> None:
    found = verdict(derive(grid, []))
    sentences = [
        *found.overview,
        *found.terms,
        *(line for each in found.tasks for line in each.sentences),
    ]
    assert len(sentences) > 5
    for sentence in sentences:
        assert re.fullmatch(r"[^.].*[^.]\.", sentence)
        assert "nan" not in sentence.lower().split()


@pytest.mark.parametrize(
    ("value", "text"), [(1234.5, "1,230"), (0.12345, "0.123"), (120.0, "120"), (float("nan"), "–")]
)
def test_figures(value: float, text: str) -> None:
    assert wording.significant(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(999, "999 B"), (1000, "1 kB"), (1_234_567, "1.23 MB"), (7e10, "70 GB"), (None, "–")],
)
def test_size(value: float, text: str) -> None:
    assert wording.size(value) == text


@pytest.mark.parametrize(
    ("bounds", "text"), [((1, 1), "1"), ((9760, 10242), "9,760 to 10,242"), ((), "–")]
)
def test_amounts(bounds: tuple[int, ...], text: str) -> None:
    assert wording.value_range(wording.integer, bounds) == text


@pytest.mark.parametrize(
    ("items", "text"),
    [
        ("a", "a"),
        ("ab", "a and b"),
        ("abc", "a, b and c"),
        ("abcd", "a, b, c and d"),
        ("abcdefg", "a, b, c, d and 3 more"),
    ],
)
def test_listed(items: str, text: str) -> None:
    assert wording.join_words(list(items)) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(11.6, "12 s"), (212.4, "3 min 32 s"), (7500, "2 h 5 min")]
)
def test_duration(seconds: float, text: str) -> None:
    assert wording.duration(seconds) == text


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (20.0, 40.0, "20 to 40"),
        (16.0, 40.0, "≤ 16 to 40"),
        (20.0, 64.0, "20 to ≥ 64"),
        (64.0, 64.0, "≥ 64"),
        (16.0, 16.0, "≤ 16"),
        (float("nan"), float("nan"), ""),
    ],
)
def test_reach_bounds_say_where_the_lengths_end(low: float, high: float, text: str) -> None:
    row = SimpleNamespace(low=low, high=high, shortest=16, longest=64)
    assert wording.reach_bounds(row) == text


def test_the_reach_within_a_single_length_has_no_bounds() -> None:
    row = SimpleNamespace(low=16.0, high=16.0, shortest=16, longest=16)
    assert wording.reach_bounds(row) == ""


def test_reach() -> None:
    texts = [
        wording.reach(SimpleNamespace(horizon=45.25, censored=str(censored)))
        for censored in Censored
    ]
    assert texts == ["45.2", "≥ 45.2", "< 45.2"]
