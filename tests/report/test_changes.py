"""What changed between two runs: pairs, verdicts, and what else differs."""

import re
from collections.abc import Iterable
from math import inf
from typing import Any

import numpy as np
import pytest
from scipy import stats

from lagbench.record import Record, Run
from lagbench.report.changes import changes, sentence
from lagbench.report.page import changes_markdown
from lagbench.report.tables import Results, derive


def results(run: Run, records: Iterable[Record], throughputs: Any = ()) -> Results:
    records = tuple(records)
    return Results(run, records, derive(records, list(throughputs)))


def scores(record: Any, architecture: str, values: Iterable[float], **more: Any) -> list[Record]:
    return [
        record(architecture=architecture, seed=seed, score=float(score), **more)
        for seed, score in enumerate(values)
    ]


BASE = np.linspace(0.3, 0.5, 8)
NOISE = np.array([0.01, -0.02, 0.03, 0.0, 0.02, -0.01, 0.01, 0.02])


def test_an_architecture_is_compared_with_itself_in_pairs(run: Run, record: Any) -> None:
    before = results(run, scores(record, "lstm", BASE))
    after = results(run, scores(record, "lstm", BASE + 0.2 + NOISE))
    (change,) = changes(before, after).changes
    assert (change.before, change.after, change.verdict) == ("lstm", "lstm", "better")
    assert change.difference == pytest.approx(0.2 + NOISE.mean())
    assert change.low < change.difference < change.high
    assert change.score_before == pytest.approx(0.4)
    assert (change.seeds, change.lengths) == (8, (16,))
    assert change.p == pytest.approx(2 / 2**8)  # all of the same sign, of 2⁸ ways
    (back,) = changes(after, before).changes
    assert back.verdict == "worse"
    assert back.difference == pytest.approx(-change.difference)
    assert back.p == change.p


def test_over_lengths_every_seed_counts_once_at_each(run: Run, record: Any) -> None:
    sides = []
    for shift in (0.0, 0.1):
        subset = scores(record, "lstm", BASE + shift) + scores(
            record, "lstm", BASE[:4] + shift, length=32
        )
        sides.append(results(run, subset))
    (change,) = changes(*sides).changes
    assert (change.lengths, change.seeds) == ((16, 32), 4)
    expected = stats.permutation_test(
        (np.full(12, 0.1),), np.mean, permutation_type="samples", vectorized=True, n_resamples=inf
    )
    assert change.p == pytest.approx(expected.pvalue)


def test_a_new_architecture_stands_beside_every_one_of_the_run_before(
    run: Run, record: Any
) -> None:
    old = scores(record, "gru", BASE) + scores(record, "lstm", BASE + 0.3)
    result = changes(results(run, old), results(run, scores(record, "mine", BASE + 0.3)))
    assert [(change.before, change.verdict) for change in result.changes] == [
        ("gru", "better"), ("lstm", "the same"),
    ]  # fmt: skip
    assert (result.gone, result.new) == (
        [("gru", "recall"), ("lstm", "recall")],
        [("mine", "recall")],
    )
    gru = result.changes[0]
    assert gru.p == pytest.approx(2 * 2 / 2**8)  # Holm: beside another comparison


def test_what_cannot_be_decided_says_so(run: Run, record: Any) -> None:
    few = changes(
        results(run, scores(record, "lstm", BASE[:3])),
        results(run, scores(record, "lstm", BASE[:3] + 0.4)),
    )
    assert [(item.verdict, item.detectable) for item in few.changes] == [("undecided", inf)]
    first = changes(
        results(run, scores(record, "lstm", [0.5])), results(run, scores(record, "lstm", [0.9]))
    )
    assert [item.verdict for item in first.changes] == ["one seed"]
    assert np.isnan(first.changes[0].p)
    assert sentence(first) == "1 compared: 1 one seed."


def test_seeds_that_one_run_lacks_are_left_out(run: Run, record: Any) -> None:
    before = results(run, scores(record, "lstm", BASE))
    after = results(run, scores(record, "lstm", BASE[:5] + 0.1))
    (change,) = changes(before, after).changes
    assert change.seeds == 5
    assert change.score_before == pytest.approx(BASE[:5].mean())


@pytest.mark.parametrize("other", [{"task_version": 2}, {"task_fields": {"symbols": 9}}])
def test_other_examples_are_not_in_pairs(run: Run, record: Any, other: Any) -> None:
    before = results(run, scores(record, "lstm", BASE))
    result = changes(before, results(run, scores(record, "lstm", BASE, **other)))
    assert (result.changes, result.other_data) == ([], ["recall"])


def test_circumstances_are_those_that_differ(run: Run, record: Any) -> None:
    elsewhere = run.model_copy(update={"machine": "arm64", "versions": {"torch": "2.14.0"}})
    result = changes(
        results(run, scores(record, "lstm", BASE)),
        results(elsewhere, scores(record, "lstm", BASE, recipe={"steps": 9}, device="cuda")),
    )
    assert result.circumstances == [
        ("device", "cpu", "cuda"),
        ("machine", "x86_64, 2 cores", "arm64"),
        ("python version", "3.11.9", "–"),
        ("recipe: batch size", "64", "–"),
        ("recipe: steps", "800", "9"),
        ("torch version", "2.13.0", "2.14.0"),
    ]


def test_speed_is_over_the_lengths_that_both_have(run: Run, record: Any, throughput: Any) -> None:
    two = scores(record, "lstm", BASE) + scores(record, "lstm", BASE, length=32)
    paces = [throughput(train_relative=2.0), throughput(length=32, train_relative=8.0)]
    result = changes(
        results(run, two, paces),
        results(run, scores(record, "lstm", BASE), [throughput(train_relative=3.0)]),
    )
    (change,) = result.changes
    assert change.speed_before == pytest.approx(2.0)
    assert change.speed_after == pytest.approx(3.0)


def test_nothing_in_common(run: Run, record: Any) -> None:
    first = results(run, scores(record, "lstm", BASE))
    for other in (results(run, []), results(run, scores(record, "lstm", BASE, task="copy"))):
        result = changes(first, other)
        assert result.changes == []
        assert sentence(result) == "The two runs share no task on which both have scores."


def test_markdown_shows_names_as_text_and_keeps_its_columns(run: Run, record: Any) -> None:
    name = "<script>|*b*"
    before = results(run, scores(record, name, BASE))
    after = results(
        run.model_copy(update={"machine": name}), scores(record, name, BASE + 0.2 + NOISE)
    )
    text = changes_markdown(before, after)
    assert "<script>" not in text
    assert "1 compared: 1 better." in text
    tables = re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE)
    assert len(tables) == 2
    for table in tables:
        widths = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
        assert len(widths) == 1
    assert changes_markdown(before, before).endswith(
        "Settings, versions and machine are the same.\n"
    )
