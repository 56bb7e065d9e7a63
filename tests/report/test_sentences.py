"""The verdict and the words of numbers."""

import re
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, TypeVar

import numpy as np
import pytest

from lagbench.record import Record
from lagbench.report import wording
from lagbench.report.statistics import Censored
from lagbench.report.tables import derive
from lagbench.report.verdict import (
    NO_SCORE,
    NO_TRIAL,
    BestChoice,
    Certainty,
    Counts,
    Forgetting,
    Holding,
    HoldingSoFar,
    NeverHolding,
    Ranking,
    Speeds,
    Unscored,
    verdict,
)

Fact = TypeVar("Fact")


def facts_of(records: list[Record], throughputs: Any = ()) -> list[object]:
    """All facts on the single task of a run."""
    (finding,) = verdict(derive(records, list(throughputs))).tasks
    return list(finding.facts)


def run_facts(records: list[Record], throughputs: Any = ()) -> list[object]:
    """All facts on the whole run."""
    return list(verdict(derive(records, list(throughputs))).facts)


def only(facts: list[object], kind: type[Fact]) -> Fact:
    """The single fact of a kind."""
    (fact,) = (fact for fact in facts if isinstance(fact, kind))
    return fact


def has(facts: list[object], kind: type) -> bool:
    return any(isinstance(fact, kind) for fact in facts)


def lines(record: Any, seeds: int = 1, **scores: Sequence[float | None]) -> list[Record]:
    """Scores of each architecture at lengths 16, 32, 64, …; None: it diverged."""
    return [
        record(
            architecture=name,
            length=16 * 2**position,
            seed=seed,
            score=score,
            selected=score is not None,
            status="ok" if score is not None else "diverged",
        )
        for name, line in scores.items()
        for position, score in enumerate(line)
        for seed in range(seeds)
    ]


def test_who_holds_and_who_forgets_first(record: Any) -> None:
    facts = facts_of(lines(record, gru=[1, 0.9, 0.8], lstm=[1, 0.75, 0.25], rnn=[0.75, 0.25, 0]))
    holding = only(facts, Holding)
    assert (holding.length, holding.only_length) == (64, False)
    assert [(name, score) for name, score, *_ in holding.scores] == [("gru", 0.8)]
    forgetting = only(facts, Forgetting)
    assert forgetting.first_known
    reaches = [(row.architecture, row.horizon) for row in forgetting.reaches]
    assert reaches == [("rnn", "22.6"), ("lstm", "45.3")]
    assert "The first to forget is rnn at about 22.6, then lstm" in str(forgetting)


def test_those_who_hold_are_ranked_with_their_intervals(record: Any) -> None:
    holding = only(facts_of(lines(record, seeds=3, a=[1, 0.8], b=[1, 0.9])), Holding)
    names, scores = zip(*((name, numbers) for name, *numbers in holding.scores), strict=True)
    assert names == ("b", "a")
    assert np.array(scores) == pytest.approx(np.array([[0.9] * 3, [0.8] * 3]))
    assert "0.90, 0.90 to 0.90" in str(holding)


def test_none_is_said_to_be_first_where_one_never_held(record: Any) -> None:
    facts = facts_of(lines(record, a=[0.1, 0.1], b=[0.75, 0.25]))
    assert only(facts, Holding).scores == ()
    never = only(facts, NeverHolding)
    assert (never.architectures, never.length) == (("a",), 16)
    forgetting = only(facts, Forgetting)
    assert [(row.architecture, row.horizon) for row in forgetting.reaches] == [("b", "22.6")]
    assert not forgetting.first_known
    assert "first" not in " ".join(map(str, facts))


def test_none_is_said_to_be_first_where_another_was_scored_less_far(record: Any) -> None:
    facts = facts_of(lines(record, a=[0.9, None, None], b=[0.9, 0.75, 0.25]))
    forgetting = only(facts, Forgetting)
    assert [row.architecture for row in forgetting.reaches] == ["b"]
    assert not forgetting.first_known
    assert only(facts, HoldingSoFar).lengths == {"a": 16}
    assert "first" not in " ".join(map(str, facts))


def test_overlapping_intervals_settle_no_order(record: Any) -> None:
    wide = [
        record(architecture=name, length=length, seed=seed, score=score)
        for name, shift in (("a", 0.0), ("b", 0.05))
        for length, scores in ((16, (0.9, 0.8, 0.7)), (64, (0.4, 0.2, 0.1)))
        for seed, score in enumerate(value + shift for value in scores)
    ]
    assert not only(facts_of(wide), Forgetting).settled
    apart = only(facts_of(lines(record, seeds=3, a=[0.75, 0.25, 0], b=[1, 0.75, 0.25])), Forgetting)
    assert apart.settled
    assert "not settled" not in str(apart)


def test_the_price_is_that_of_those_who_reach_furthest(record: Any, throughput: Any) -> None:
    speeds = [
        throughput(architecture=name, length=32, train_relative=speed, inference_relative=2 * speed)
        for name, speed in (("gru", 0.4), ("lstm", 0.45), ("rnn", 1.0))
    ]
    facts = facts_of(lines(record, gru=[1, 0.9], lstm=[1, 0.8], rnn=[0.75, 0.25]), speeds)
    fact = only(facts, Speeds)
    assert fact.length == 32
    assert fact.speeds == (("lstm", 0.45, 0.9), ("gru", 0.4, 0.8))
    assert facts[-1] is fact


def test_those_without_a_score_are_named(record: Any) -> None:
    facts = facts_of(lines(record, a=[0.9], b=[None]))
    assert only(facts, Unscored).architectures == ("b",)


def test_many_are_counted_and_the_last_to_forget_is_named(record: Any) -> None:
    scores = {f"a{index}": [0.55 + index / 20, 0.1] for index in range(8)}
    fact = only(facts_of(lines(record, 1, **scores)), Forgetting)
    assert (len(fact.reaches), fact.reaches[-1].architecture) == (8, "a7")
    assert fact.reaches[-1].horizon == "22.6"
    assert "and 3 more" in str(fact)
    assert str(fact).endswith("a7 at about 22.6.")


def test_a_run_without_trials_or_scores_says_so(record: Any) -> None:
    assert run_facts([]) == [NO_TRIAL]
    counts, nothing = run_facts(lines(record, a=[None]))
    assert counts == Counts(1, 1, 1, {"diverged": 1})
    assert nothing == NO_SCORE


@pytest.mark.parametrize(
    ("seeds", "words"),
    [
        (1, {"one seed", "no interval"}),
        (3, {" means", "3 seeds", "the lowest to the highest"}),
        (5, {"interquartile means", "5 seeds", "95% bootstrap"}),
    ],
)
def test_what_scores_and_ranges_are(record: Any, seeds: int, words: set[str]) -> None:
    terms = verdict(derive(lines(record, seeds, a=[0.9]), [])).terms
    assert len(terms) == 2
    assert {word for word in words if word in terms[1]} == words


def test_the_best_choice_costs_least_of_those_that_hold(record: Any, throughput: Any) -> None:
    records = lines(record, gru=[1, 0.9], lstm=[1, 0.8], rnn=[0.75, 0.25])
    assert only(run_facts(records), BestChoice) == BestChoice({"gru": (("recall", 32),)}, False, ())
    speeds = [
        throughput(architecture=name, length=32, train_relative=speed)
        for name, speed in (("gru", 0.4), ("lstm", 0.45), ("rnn", 1.0))
    ]
    choice = only(run_facts(records, speeds), BestChoice)
    assert choice == BestChoice({"lstm": (("recall", 32),)}, True, ())
    assert "Best choice: lstm. It holds at the longest length of recall (32)" in str(choice)


def test_tasks_on_which_nobody_holds_are_named(record: Any) -> None:
    other = record(task="copy", architecture="a", score=0.1)
    choice = only(run_facts([*lines(record, a=[0.1, 0.1], b=[0.75, 0.25]), other]), BestChoice)
    assert choice.chosen == {}
    assert choice.unsolved == (("copy", "a", "< 16"), ("recall", "b", "22.6"))
    assert "furthest: b, 22.6" in str(choice)


def test_the_overview_says_how_many_comparisons_are_settled(record: Any) -> None:
    apart = only(run_facts(lines(record, seeds=10, a=[0.9], b=[0.1])), Certainty)
    assert apart == Certainty(compared=1, settled=1, seeds=10, needed=None)
    few = only(run_facts(lines(record, seeds=3, a=[0.9], b=[0.1])), Certainty)
    assert few == Certainty(compared=1, settled=0, seeds=3, needed=6)
    assert "--seeds 6" in str(few)
    assert not has(run_facts(lines(record, a=[0.9], b=[0.1])), Certainty)


def test_so_many_seeds_as_are_needed_can_decide(record: Any) -> None:
    for lengths, names, needed in ((1, "ab", 6), (1, "abc", 7), (3, "abc", 3)):
        scores = {name: [0.9 - position / 4] * lengths for position, name in enumerate(names)}
        fewer, enough = (
            only(run_facts(lines(record, seeds=seeds, **scores)), Certainty)
            for seeds in (needed - 1, needed)
        )
        assert (fewer.needed, enough.needed) == (needed, None)


def test_ranks_that_separate_nobody_are_followed_by_what_pairs_settle(record: Any) -> None:
    ranking = only(run_facts(lines(record, seeds=10, a=[0.9], b=[0.1])), Ranking)
    assert (ranking.cells, ranking.ranks) == (1, (("a", 1.0), ("b", 2.0)))
    assert ranking.indistinguishable == ("b",)
    assert ranking.decided == (("a", "b", "recall"),)
    assert "a beats b on recall" in str(ranking)


def test_a_single_trial_is_compared_with_none(record: Any) -> None:
    (fact,) = facts_of(lines(record, a=[0.9]))
    assert isinstance(fact, Holding)
    assert (fact.length, fact.only_length) == (16, True)
    assert [(name, score) for name, score, *_ in fact.scores] == [("a", 0.9)]


def test_every_sentence_ends_as_one(grid: list[Record]) -> None:
    result = verdict(derive(grid, []))
    sentences = [
        *result.overview,
        *result.terms,
        *(line for task in result.tasks for line in task.sentences),
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
