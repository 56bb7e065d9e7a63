"""What is said of a suite before it runs."""

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from lagbench import registry
from lagbench.contract import Architecture
from lagbench.run.cell import run_cell
from lagbench.run.config import WorkerConfig
from lagbench.run.estimate import (
    Outcome,
    describe_estimate,
    estimate_cells,
    predict,
    summarise_estimates,
)
from lagbench.run.store import ReadOnlyStore, Store
from lagbench.spec.suite import Selection, cells, load, selected


@pytest.fixture(scope="module")
def todo():
    return cells(load(str(Path(__file__).parents[1] / "suites" / "tiny.toml")))


def test_each_cell_trains_or_is_refused_with_its_reason(todo, tmp_path):
    found = list(estimate_cells(todo, Store(tmp_path)))
    assert [(one.architecture, one.task, one.length) for one in found] == [c.cell_id for c in todo]
    refused = {
        (o.architecture, o.task): o.reason for o in found if o.outcome is Outcome.UNSUPPORTED
    }
    assert set(refused) == {("bilstm", "copy")}
    assert "reads ahead" in refused["bilstm", "copy"]
    trains = [one for one in found if one.outcome is Outcome.TRAINS]
    assert len(trains) == len(todo) - 1
    assert all(one.seconds > 0 and one.steps == 8 and one.trials == 4 for one in trains)
    assert not any(tmp_path.iterdir()), "a plan writes nothing"


def test_what_it_says_of_a_model_is_what_is_trained(todo, tmp_path):
    cell = todo[0]
    (before,) = estimate_cells([cell], Store(tmp_path))
    records = run_cell(cell, WorkerConfig("tiny"))
    assert {(r.width, r.parameters, r.steps) for r in records} == {
        (before.width, before.parameters, before.steps)
    }


def test_what_is_there_already_costs_nothing(todo, tmp_path):
    store = Store(tmp_path)
    store.write(run_cell(todo[0], WorkerConfig("tiny")))
    (found,) = estimate_cells([todo[0]], store)
    assert (found.outcome, found.seconds) == (Outcome.PRESENT, None)


def test_what_is_known_without_a_model_is_what_is_expected(todo, tmp_path):
    for cell, one in zip(todo, estimate_cells(todo, Store(tmp_path)), strict=True):
        assert predict(cell) == replace(one, width=None, parameters=None, seconds=None)


def test_tokens_are_those_that_all_trials_read(todo):
    tokens = {cell.cell_id: predict(cell).tokens for cell in todo}
    assert tokens["gru", "recall", 4] == 4 * 8 * 4 * 4  # trials × steps × batch × source
    assert tokens["gru", "copy", 3] == 4 * 8 * 4 * (3 + 3)  # it reads what it writes, too
    assert tokens["bilstm", "copy", 3] is None


def test_the_outlook_is_the_sum_of_what_trains(todo, tmp_path):
    found = list(estimate_cells(todo, Store(tmp_path)))
    whole = summarise_estimates(found, present=2)
    trains = [one for one in found if one.outcome is Outcome.TRAINS]
    assert (whole.trains, whole.unsupported, whole.present, whole.trials) == (8, 1, 2, 32)
    assert whole.tokens == sum(one.tokens for one in trains)
    assert whole.seconds(1) == whole.core_seconds == sum(one.seconds for one in trains)
    assert whole.seconds(2) == whole.core_seconds / 2
    assert whole.seconds(10**6) == max(one.seconds for one in trains), "a cell is not shared"


def test_in_words(todo):
    quick = summarise_estimates(map(predict, todo))
    assert describe_estimate(quick) == (
        "8 cells to train, 0 there already, 1 unsupported; 32 trials that read at most "
        "6,140 tokens in training"
    )
    timed = replace(quick, core_seconds=7200.0, longest=100.0, fails=1)
    assert describe_estimate(timed, 2).endswith("; at most 1 h 0 min with 2 workers, 2 core hours")
    assert "1 unsupported, 1 cannot be built;" in describe_estimate(timed)


@dataclass(frozen=True)
class Broken(Architecture):
    """It cannot be built."""

    def build(self, width, signature):
        raise RuntimeError("not today")


def test_what_cannot_be_built_is_told_and_costs_no_other(tiny, tmp_path):
    registry.register("broken", Broken())
    suite = selected(load(str(tiny)), Selection(("broken", "gru"), ("recall",), (4,)))
    broken, gru = estimate_cells(cells(suite), Store(tmp_path))
    assert (broken.outcome, broken.reason) == (Outcome.FAILS, "RuntimeError: not today")
    assert gru.outcome is Outcome.TRAINS


def test_a_glance_leaves_what_is_damaged_where_it_is(todo, tmp_path):
    records = run_cell(todo[0], WorkerConfig("tiny"))
    Store(tmp_path).write(records)
    damaged = tmp_path / "trials" / records[0].trial / "result.json"
    damaged.write_text("{")
    warnings = []
    (found,) = estimate_cells([todo[0]], ReadOnlyStore(tmp_path, warnings.append))
    assert found.outcome is Outcome.TRAINS
    assert damaged.read_text() == "{"
    assert len(warnings) == 1
    assert "cannot be used" in warnings[0]
