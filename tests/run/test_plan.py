"""What is said of a suite before it runs."""

from pathlib import Path

import pytest

from bench.run.cell import Setting, run_cell
from bench.run.plan import Outcome, expected
from bench.run.store import Store
from bench.run.suite import cells, load


@pytest.fixture(scope="module")
def todo():
    return cells(load(str(Path(__file__).parents[1] / "suites" / "tiny.toml")))


def test_each_cell_trains_or_is_refused_with_its_reason(todo, tmp_path):
    found = list(expected(todo, Store(tmp_path)))
    assert [(one.architecture, one.task, one.length) for one in found] == [c.place for c in todo]
    refused = {(o.architecture, o.task): o.reason for o in found if o.outcome is Outcome.REFUSED}
    assert set(refused) == {("bilstm", "copy")}
    assert "reads ahead" in refused["bilstm", "copy"]
    trains = [one for one in found if one.outcome is Outcome.TRAINS]
    assert len(trains) == len(todo) - 1
    assert all(one.seconds > 0 and one.steps == 8 and one.trials == 4 for one in trains)
    assert not any(tmp_path.iterdir()), "a plan writes nothing"


def test_what_it_says_of_a_model_is_what_is_trained(todo, tmp_path):
    cell = todo[0]
    (before,) = expected([cell], Store(tmp_path))
    records = run_cell(cell, Setting("tiny", None))
    assert {(r.width, r.parameters, r.steps) for r in records} == {
        (before.width, before.parameters, before.steps)
    }


def test_what_is_there_already_costs_nothing(todo, tmp_path):
    store = Store(tmp_path)
    store.write(run_cell(todo[0], Setting("tiny", None)))
    (found,) = expected([todo[0]], store)
    assert (found.outcome, found.seconds) == (Outcome.PRESENT, None)
