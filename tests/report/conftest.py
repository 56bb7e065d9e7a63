"""Synthetic records, of which only what a test is about is said."""

from collections.abc import Callable, Iterable
from itertools import product
from typing import Any

import pytest

from lagbench.record import Point, ProbeValue, Record, Run
from tests import factories

Factory = Callable[..., Any]


@pytest.fixture
def record() -> Factory:
    """`record(architecture="lstm", score=0.5, …)`: a scored trial of recall at length 16."""
    return factories.record


@pytest.fixture
def throughput() -> Factory:
    return factories.throughput


@pytest.fixture
def run() -> Run:
    return factories.run()


@pytest.fixture
def grid() -> list[Record]:
    """Three architectures on two tasks at four lengths with three seeds and two rates."""
    return list(_grid())


def _grid() -> Iterable[Record]:
    reach = {"rnn": 24, "lstm": 100, "transformer": 1000}
    cells = product(reach, ("recall", "adding"), (16, 32, 64, 128), range(3), (0.003, 0.01))
    for architecture, task, length, seed, rate in cells:
        score = max(0.0, min(1.0, 1.5 - length / reach[architecture])) - 0.01 * seed
        selected = rate == 0.01
        yield factories.record(
            architecture=architecture,
            task=task,
            length=length,
            seed=seed,
            learning_rate=rate,
            selected=selected,
            score=score if selected else None,
            validation_score=score if selected else score / 2,
            test_metric=0.125 + 0.875 * score if selected else None,
            accuracy=0.125 + 0.875 * score if selected else None,
            steps_to_solve=200 if score > 0.98 else None,
            curve=tuple(_curve(score)),
            probes=tuple(_probes(length, score)),
        )


def _curve(score: float) -> Iterable[Point]:
    for step in range(100, 900, 100):
        yield factories.point(
            step,
            train_loss=2.0 - score * step / 800,
            validation_loss=2.1 - score * step / 800,
            validation_metric=score,
            validation_score=score * step / 800,
            gradient_norm=0.7,
            clip_fraction=0.1,
        )


def _probes(length: int, score: float) -> Iterable[ProbeValue]:
    for lag in range(0, length, 4):
        value = 0.125 + 0.875 * max(0.0, score) * (1 - lag / length)
        yield ProbeValue(probe="lag_accuracy", x=lag, value=value, count=50)
        yield ProbeValue(probe="gradient_reach", x=lag, value=0.5**lag, count=32)
        yield ProbeValue(probe="influence", x=lag, value=value / 2, count=32)
        yield ProbeValue(probe="influence_oracle", x=lag, value=0.5, count=32)
