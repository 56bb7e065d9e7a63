"""Scores against examples, operations and seconds, by hand."""

import math
from typing import Any

import numpy as np
import pytest

from lagbench.record import Record, Status, Throughput
from lagbench.report.progress import equal_cost, progress
from tests.factories import point

STEPS = (10, 20, 30, 40)


def curve(*scores: Any) -> Any:
    return tuple(
        point(step, validation_score=score) for step, score in zip(STEPS, scores, strict=False)
    )


@pytest.fixture
def runs(record: Any) -> Any:
    """A record for each seed's curve; all have 40 steps of 64 examples to go."""

    def make(architecture: Any, *curves: Any, **more: Any) -> Any:
        recipe = {"steps": 40, "batch_size": 64}
        return [
            record(architecture=architecture, seed=seed, curve=first, recipe=recipe, **more)
            for seed, first in enumerate(curves)
        ]

    return make


def test_the_best_so_far_of_each_seed_counts(runs: Any) -> None:
    result = progress(runs("gru", curve(0.5, 0.3, 0.9), curve(0.1, 0.2, 0.1)), [])
    assert result["step"].tolist() == [10, 20, 30]
    assert result["examples"].tolist() == [640, 1280, 1920]
    assert result["seeds"].tolist() == [2, 2, 2]
    assert result["score"].tolist() == pytest.approx([0.3, 0.35, 0.55])
    assert result["score_low"].tolist() == pytest.approx([0.1, 0.2, 0.2])
    assert result["score_high"].tolist() == pytest.approx([0.5, 0.5, 0.9])
    assert result[["flops", "seconds"]].isna().all(axis=None)


def test_what_an_example_costs(runs: Any, throughput: Any) -> None:
    speed = throughput(
        architecture="gru", tokens_per_example=16, train_tokens_per_second=800.0,
        flops_per_token=1000.0, other_cores=0.1,
    )  # fmt: skip
    row = progress(runs("gru", curve(0.5)), [speed]).iloc[0]
    assert row["flops"] == 640 * 16 * 1000 * 3
    assert row["seconds"] == pytest.approx(640 * 16 / 800)
    busy = speed.model_copy(update={"other_cores": 1.5})
    row = progress(runs("gru", curve(0.5)), [busy]).iloc[0]
    assert row["flops"] == 640 * 16 * 1000 * 3
    assert math.isnan(row["seconds"])


def test_one_seed_has_no_interval_and_equal_seeds_one_without_width(runs: Any) -> None:
    row = progress(runs("gru", curve(0.5)), []).iloc[0]
    assert np.isnan([row["score_low"], row["score_high"]]).all()
    row = progress(runs("gru", curve(0.1), curve(0.1), curve(0.1)), []).iloc[0]
    assert row["score_low"] == row["score"] == row["score_high"] == 0.1


def test_only_the_selected_rate_of_the_reported_seeds_counts(runs: Any) -> None:
    idle = runs("gru", curve(0.9), learning_rate=0.1, selected=False)
    tuning = runs("gru", curve(0.9), tuning=True, selected=False)
    assert progress([*runs("gru", curve(0.2)), *idle, *tuning], [])["score"].tolist() == [0.2]


def test_a_seed_that_diverged_keeps_its_best_and_one_that_never_was_finite_leaves_no_row(
    runs: Any,
) -> None:
    result = progress(runs("gru", curve(0.4, math.nan), curve(0.2, 0.6)), [])
    assert result["score"].tolist() == pytest.approx([0.3, 0.5])
    assert progress(runs("gru", curve(math.nan, 0.5)), [])["step"].tolist() == [20]
    assert progress(runs("gru", curve(math.nan, math.nan)), []).empty


def reached(records: Any, speeds: Any, effort: Any) -> Any:
    result = equal_cost(progress(records, speeds), records)
    return result[result["effort"] == effort].set_index("architecture")


@pytest.fixture
def pair(runs: Any, throughput: Any) -> tuple[list[Record], list[Throughput]]:
    """Two that learn alike by examples, of which the RNN is three times as fast."""
    both = [
        *runs("gru", curve(0.1, 0.2, 0.3, 0.4)),
        *runs("rnn", curve(0.1, 0.2, 0.3, 0.35)),
    ]
    speeds = [
        throughput(architecture=name, train_tokens_per_second=speed, flops_per_token=flops)
        for name, speed, flops in (("gru", 1000.0, 600.0), ("rnn", 3000.0, 250.0))
    ]
    return both, speeds


def test_at_equal_examples_all_are_at_their_end(pair: Any) -> None:
    result = reached(pair[0], pair[1], "examples")
    assert result["score"].to_dict() == {"gru": 0.4, "rnn": 0.35}
    assert set(result["spent"]) == {2560}


def test_at_equal_seconds_the_slower_one_is_a_third_of_its_way(pair: Any) -> None:
    result = reached(pair[0], pair[1], "seconds")
    assert result["score"].to_dict() == {"gru": 0.1, "rnn": 0.35}
    assert result["step"].to_dict() == {"gru": 10, "rnn": 40}
    assert result["spent"].tolist() == pytest.approx([2560 * 16 / 3000] * 2)


def test_at_equal_operations_the_price_of_a_pass_counts(pair: Any) -> None:
    result = reached(pair[0], pair[1], "flops")
    assert result["step"].to_dict() == {"gru": 10, "rnn": 40}  # 250 / 600 of 40 is 16


def test_one_that_solved_it_early_keeps_its_score_and_cuts_nobody_short(runs: Any) -> None:
    records = [*runs("gru", curve(1.0)), *runs("rnn", curve(0.1, 0.2, 0.3, 0.4))]
    result = reached(records, [], "examples")
    assert result["score"].to_dict() == {"gru": 1.0, "rnn": 0.4}


def test_one_that_is_too_slow_to_be_evaluated_has_no_score(pair: Any) -> None:
    records, (slow, fast) = pair
    slow = slow.model_copy(update={"train_tokens_per_second": 100.0})
    result = reached(records, [slow, fast], "seconds")
    assert result["score"].isna().to_dict() == {"gru": True, "rnn": False}
    assert result["step"].isna().to_dict() == {"gru": True, "rnn": False}


def test_whose_price_is_not_known_is_left_out(pair: Any) -> None:
    records, (gru, _) = pair
    assert reached(records, [gru], "seconds").index.tolist() == ["gru"]
    assert reached(records, [], "seconds").empty


def test_nothing_trained_is_no_row(record: Any) -> None:
    unsupported = [record(status=Status.UNSUPPORTED, selected=False)]
    result = progress(unsupported, [])
    assert result.empty
    assert equal_cost(result, unsupported).empty
