"""Quantities read off hand-made records and timings."""

import pytest

from lagbench.claims.evidence import (
    Evidence,
    accuracy_within,
    exact_match,
    over_lengths,
    parameters,
    parameters_of,
    probed,
    score,
    shape_of,
    time_per_token,
)
from lagbench.cost.step_time import Shape
from lagbench.record import ProbeValue, StepTime

AT = "gru", "recall", 16
SHAPE = Shape("gru", length=16, batch=4, width=8)


@pytest.fixture
def seeds(record):
    """`seeds(field=(of seed 0, of seed 1, …))`: evidence of one cell of the experiment `memory`."""

    def of(**fields):
        columns = zip(*fields.values(), strict=True)
        records = [
            record(*AT, seed).model_copy(update=dict(zip(fields, values, strict=True)))
            for seed, values in enumerate(columns)
        ]
        return Evidence({"memory": records}, [])

    return of


@pytest.mark.parametrize(
    ("quantity", "field"),
    [(score, "score"), (exact_match, "exact_match"), (parameters, "parameters")],
)
def test_a_field_of_every_seed_that_has_it(seeds, quantity, field):
    evidence = seeds(**{field: (3, None, 5)})
    assert quantity("memory", *AT).values(evidence) == {0: 3, 2: 5}


@pytest.mark.parametrize(
    "elsewhere",
    [
        ("gates", *AT),
        ("memory", "lstm", "recall", 16),
        ("memory", "gru", "copy", 16),
        ("memory", "gru", "recall", 32),
    ],
)
def test_other_experiments_and_cells_do_not_count(seeds, elsewhere):
    assert score(*elsewhere).values(seeds(score=(0.5,))) == {}


def test_rates_that_lost_do_not_count(seeds):
    assert score("memory", *AT).values(seeds(score=(0.5, 0.7), selected=(False, True))) == {1: 0.7}


def curve(probe, *points):
    return tuple(ProbeValue(probe=probe, x=x, value=value, count=n) for x, value, n in points)


def test_accuracy_within_lags_weighs_them_by_their_targets(seeds):
    bins = curve("lag_accuracy", (1, 1.0, 30), (8, 0.5, 10), (9, 0.0, 99))
    other = curve("gradient_reach", (2, 7.0, 5))
    evidence = seeds(probes=(bins + other, other))
    found = accuracy_within("memory", AT, (1, 8)).values(evidence)
    assert found == {0: pytest.approx((30 * 1.0 + 10 * 0.5) / 40)}


def test_a_probe_is_read_where_it_measured(seeds):
    evidence = seeds(probes=(curve("one", (0, 2.0, 1), (3, 5.0, 1)), curve("two", (0, 1.0, 1))))
    quantity = probed("sum", "memory", AT, "one", lambda found: sum(found.values()))
    assert quantity.values(evidence) == {0: 7.0}


def test_over_lengths_takes_seeds_that_have_them_all(record):
    scores = {(16, 0): 0.2, (16, 1): 0.4, (32, 1): 0.8, (32, 2): 1.0}
    records = [
        record("gru", "recall", length, seed).model_copy(update={"score": value})
        for (length, seed), value in scores.items()
    ]
    quantity = over_lengths("both", "memory", "gru", [("recall", 16), ("recall", 32)], list)
    assert quantity.values(Evidence({"memory": records}, [])) == {1: [0.4, 0.8]}


def test_timings_are_read_by_shape():
    timed = StepTime(
        architecture="gru",
        task="recall",
        length=16,
        batch=4,
        width=8,
        parameters=700,
        seconds_per_token=(1e-6, 3e-6),
        torch="2",
        device="cpu",
    )
    evidence = Evidence({}, [timed, timed.model_copy(update={"width": 9, "parameters": 800})])
    assert shape_of(timed) == SHAPE
    assert time_per_token(SHAPE).values(evidence) == {0: pytest.approx(1), 1: pytest.approx(3)}
    assert parameters_of(SHAPE).values(evidence) == {0: 700, 1: 700}
    assert time_per_token(Shape("lstm", 16, 4, 8)).values(evidence) == {}
