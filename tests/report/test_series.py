"""What the charts draw: averages, and thinning that keeps them."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from lagbench.record import ProbeValue, Record
from lagbench.report import series
from lagbench.report.tables import derive
from tests import factories


def probed(record: Any, seed: int, values: list[tuple[float, float, int]], **changes: Any) -> Any:
    result = [
        ProbeValue(probe="lag_accuracy", x=x, value=value, count=count)
        for x, value, count in values
    ]
    return record(seed=seed, score=0.5, probes=tuple(result), **changes)


def test_lag_accuracy_weighs_seeds_by_their_targets(record: Any) -> None:
    records = [
        probed(record, 0, [(1, 0.5, 30), (2, 0.25, 10)]),
        probed(record, 1, [(1, 1.0, 10), (2, 0.0, 0)]),
    ]
    result = series.lag_accuracy(derive(records, []))
    assert result["x"].tolist() == [1, 2]
    assert result["value"].tolist() == pytest.approx([25 / 40, 0.25])
    assert result["chance"].tolist() == [0.125, 0.125]


def test_lag_accuracy_has_no_chance_level_where_the_metric_is_another(record: Any) -> None:
    result = series.lag_accuracy(derive([probed(record, 0, [(1, 0.5, 4)], metric="bits")], []))
    assert math.isnan(result["chance"][0])


def test_long_lines_are_thinned_and_keep_their_mean(record: Any) -> None:
    lags = np.arange(1000.0)
    probes = [(lag, lag / 1000, 5) for lag in lags]
    result = series.lag_accuracy(derive([probed(record, 0, probes)], []))
    assert len(result) == series.MAX_POINTS_PER_LINE
    np.testing.assert_allclose(
        result["x"], lags.reshape(series.MAX_POINTS_PER_LINE, -1).mean(axis=1)
    )
    np.testing.assert_allclose(result["value"], result["x"] / 1000)


def test_a_crowd_of_lines_is_drawn_at_the_longest_lengths_alone(
    record: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(series, "MAX_LINES", 5)
    monkeypatch.setattr(series, "MAX_POINTS", 30)
    records = [
        probed(record, 0, [(lag, 0.5, 1) for lag in range(100)], architecture=name, length=length)
        for name in ("a", "b", "c")
        for length in (16, 32)
    ]
    result = series.lag_accuracy(derive(records, []))
    assert set(result["length"]) == {32}
    assert result.groupby("architecture").size().tolist() == [10, 10, 10]


def test_learning_is_a_mean_over_the_seeds_of_the_selected_rate(grid: list[Record]) -> None:
    result = series.learning(derive(grid, []))
    line = result[(result["architecture"] == "transformer") & (result["length"] == 16)]
    line = line[line["task"] == "recall"]
    assert line["examples"].tolist() == [6400 * step for step in range(1, 9)]
    expected = [0.99 * step / 8 for step in range(1, 9)]  # the seeds reach 1, 0.99 and 0.98
    assert line["validation_score"].tolist() == pytest.approx(expected)


def test_speeds_are_geometric_means(record: Any, throughput: Any) -> None:
    records = [record(length=length, score=0.5) for length in (16, 32)]
    speeds = [
        throughput(length=16, train_relative=0.5, inference_relative=1.0),
        throughput(length=32, train_relative=2.0, inference_relative=4.0),
    ]
    result = series.speeds(derive(records, speeds).summary).set_index("work")
    assert result["relative"].to_dict() == pytest.approx({"training": 1.0, "inference": 2.0})
    assert result["cells"].tolist() == [2, 2]


def test_price_is_of_the_longest_length_scored(record: Any, throughput: Any) -> None:
    records = [record(length=length, score=0.5) for length in (16, 32)]
    records.append(record(length=64, status="failed", selected=False))
    speeds = [throughput(length=length) for length in (16, 32, 64)]
    result = series.price(derive(records, speeds).summary, "train_relative")
    assert result["length"].tolist() == [32]


def test_the_front_is_whom_none_beats_in_both(record: Any, throughput: Any) -> None:
    points = {
        "best": (0.9, 1),
        "fast": (0.2, 8),
        "beaten": (0.2, 4),
        "worse": (0.1, 1),
        "same": (0.9, 1),
    }
    records = [record(architecture=name, score=score) for name, (score, _) in points.items()]
    records.append(record(architecture="alone", task="other", score=0.0))
    speeds = [
        throughput(architecture=name, inference_relative=speed)
        for name, (_, speed) in points.items()
    ]
    speeds.append(throughput(architecture="alone", task="other"))
    result = series.price(derive(records, speeds).summary, "inference_relative")
    assert set(result.loc[result["front"], "architecture"]) == {"best", "same", "fast", "alone"}
    assert result.set_index("architecture")["speed"]["fast"] == 8


def test_rates_are_means_over_the_seeds_at_the_longest_length(record: Any) -> None:
    records = [
        record(length=length, seed=seed, learning_rate=rate, validation_score=score,
               selected=rate == 0.01)
        for length in (16, 32)
        for rate, scores in ((0.01, (0.5, 1.0)), (0.1, (0.0, 0.5)))
        for seed, score in enumerate(scores)
    ]  # fmt: skip
    records.append(record(length=64, status="failed", selected=False))
    result = series.rates(derive(records, []))
    assert result["length"].tolist() == [32, 32]
    assert result["validation_score"].tolist() == [0.75, 0.25]
    assert result["selected"].tolist() == [True, False]
    assert result["seeds"].tolist() == [2, 2]


def test_scores_say_where_there_is_no_interval(record: Any) -> None:
    result = series.scores(derive([record(score=0.5)], []).summary)
    assert result["interval"].tolist() == ["none: one seed"]
    assert result["score_low"].tolist() == result["score_high"].tolist() == [0.5]


def test_nothing_to_draw_is_an_empty_frame() -> None:
    empty = derive([], [])
    frames: list[pd.DataFrame] = [
        series.scores(empty.summary),
        series.price(empty.summary, "train_relative"),
        series.rates(empty),
        series.ranks(empty),
        series.learning_seconds(empty),
        series.speeds(empty.summary),
        series.learning(empty),
        series.lag_accuracy(empty),
        series.gradient_reach(empty),
        series.influence(empty),
    ]
    assert [len(frame) for frame in frames] == [0] * len(frames)


def test_gradients_are_of_the_longest_length_and_more_than_zero(record: Any) -> None:
    def faded(length: int, seed: int, values: list[float]) -> Record:
        curve = [
            ProbeValue(probe="gradient_reach", x=x, value=value, count=2)
            for x, value in enumerate(values)
        ]
        table: Record = record(length=length, seed=seed, score=0.5, probes=curve)
        return table

    records = [faded(8, 0, [1.0]), faded(16, 0, [1.0, 0.5, 0.0]), faded(16, 1, [1.0, 0.3, 0.1])]
    result = series.gradient_reach(derive(records, []))
    assert result["length"].tolist() == [16] * 3
    assert result["value"].tolist() == pytest.approx([1.0, 0.4, 0.1])


def test_influence_stands_beside_the_oracles(grid: list[Record]) -> None:
    result = series.influence(derive(grid, []))
    assert set(result["length"]) == {128}
    assert (result["oracle"] == 0.5).all()


def test_seconds_are_examples_at_the_measured_speed(record: Any, throughput: Any) -> None:
    point = factories.point(10)
    records = [record(score=0.5, curve=(point,)), record(length=32, score=0.5, curve=(point,))]
    speed = throughput(tokens_per_example=16, train_tokens_per_second=2000.0)
    result = series.learning_seconds(derive(records, [speed]))
    assert result["length"].tolist() == [16]  # the other was not timed
    assert result["seconds"].tolist() == [pytest.approx(640 * 16 / 2000)]


def test_rates_in_the_window_are_good(record: Any) -> None:
    records = [
        record(learning_rate=rate, validation_score=score, selected=rate == 0.01, score=score)
        for rate, score in ((0.001, 0.5), (0.01, 1.0), (0.1, 0.95), (1.0, 0.99), (10.0, 0.2))
    ]
    result = series.rates(derive(records, []))
    assert result["good"].tolist() == [False, True, True, True, False]


def test_horizons_say_what_they_are_and_have_an_interval_to_draw(record: Any) -> None:
    scores = {"a": (0.9, 0.8), "b": (0.75, 0.25), "c": (0.1, 0.0)}
    records = [
        record(architecture=name, length=length, score=score)
        for name, line in scores.items()
        for length, score in zip((16, 64), line, strict=True)
    ]
    result = series.horizons(derive(records, []))
    assert result["reach"].tolist() == ["≥ 64", "32", "< 16"]
    assert set(result["interval"]) == {"none"}
    assert result["low"].tolist() == result["high"].tolist() == result["horizon"].tolist()
    assert result["start"].tolist() == [16] * 3
