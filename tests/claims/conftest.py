"""Hand-made evidence: every cell that a claim reads, scored as a test wishes."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lagbench import registry
from lagbench.claims.claim import Claim
from lagbench.claims.conduct import experiments, shapes
from lagbench.claims.evidence import Evidence
from lagbench.record import ProbeValue, Record, StepTime, StepTimes
from lagbench.run.store import Store
from lagbench.spec.suite import cells
from tests import factories

SEEDS = range(4)
Scores = Callable[[Record], float]
"""A score for a record whose place and seed are known."""


@pytest.fixture(scope="session", autouse=True)
def names():
    registry.discover()


@pytest.fixture
def evidence() -> Callable[..., Evidence]:
    """`evidence(claim, score=lambda record: 0.5, …)`: see `_evidence`."""
    return _evidence


def _evidence(
    claim: Claim,
    score: Scores = lambda record: 0.0,
    probes: Callable[[Record], list[ProbeValue]] = lambda record: [],
    parameters: Callable[[Record], int] = lambda record: 1000,
    seconds: Callable[[StepTime], float] = lambda step_time: 1.0,
) -> Evidence:
    """All records of the claim's experiments; seeds differ by a thousandth."""
    records = {
        suite.name.removeprefix("claims/"): [
            _scored(_record(cell, seed), score, probes, parameters)
            for cell in cells(suite)
            for seed in SEEDS
        ]
        for suite in experiments([claim])
    }
    return Evidence(records, [_pace(shape, seconds) for shape in shapes([claim])])


@pytest.fixture
def record() -> Callable[..., Record]:
    """`record(architecture, task, length, seed)`: a selected trial that measured nothing."""
    return _bare


@pytest.fixture
def stored(tmp_path) -> Callable[[Evidence], Path]:
    """Keep evidence as `lagbench claims` would have left it; returns the folder."""

    def keep(evidence):
        for name, records in evidence.records.items():
            store = Store(tmp_path / name)
            store.write(records)
            store.write_run(_run(name, records))
        Store(tmp_path).write_step_times(
            StepTimes(step_times=tuple(evidence.step_times), other_cores=0.25)
        )
        return tmp_path

    return keep


def _run(name, records):
    return factories.run(
        suite=f"claims/{name}",
        started="2026-01-01T00:00:00+00:00",
        seconds=61.0,
        cells=tuple(dict.fromkeys(record.cell for record in records)),
    )


def _record(cell, seed):
    bare = _bare(*cell.cell_id, seed)
    recipe = cell.recipe.model_dump(mode="json")
    return bare.model_copy(
        update={"trial": f"{cell.key}-{seed}", "cell": cell.key, "recipe": recipe}
    )


def _bare(architecture, task, length, seed):
    return factories.record(
        suite="claims", architecture=architecture, task=task, length=length, seed=seed, chance=0.0
    )


def _scored(record, score, probes, parameters):
    reached = score(record) + 0.001 * record.seed
    return record.model_copy(
        update={
            "score": reached,
            "exact_match": reached,
            "parameters": parameters(record),
            "probes": tuple(probes(record)),
        }
    )


def _pace(shape, seconds):
    bare = StepTime(
        architecture=shape.architecture,
        task="recall",
        length=shape.length,
        batch=shape.batch,
        width=shape.width,
        parameters={"gru": 3000, "lstm": 4000}.get(shape.architecture, 1000),
        seconds_per_token=(),
        torch="2",
        device="cpu",
    )
    rounds = tuple(1e-6 * seconds(bare) * (1 + 0.001 * turn) for turn in range(5))
    return bare.model_copy(update={"seconds_per_token": rounds})
