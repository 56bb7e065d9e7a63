"""Trials as W&B runs, read back record by record from their offline files."""

import json
import math
import subprocess
import sys
from collections import Counter
from dataclasses import replace

import pytest

from lagbench.record import Point, Status
from lagbench.run.cell import run_cell
from lagbench.run.config import WorkerConfig
from lagbench.run.failures import failed_records
from lagbench.tracking import CellRuns, Tracking
from lagbench.tracking.sync import run_files
from tests import factories
from tests.tracking.reading import Read
from tests.tracking.samples import one_cell


def read(folder):
    found = map(Read, run_files(folder))
    return {one.config["trial"]: one for one in found if one.run.job_type == "trial"}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    cell = one_cell()
    folder = tmp_path_factory.mktemp("a b")
    runs = CellRuns(Tracking("offline", folder, "proj"), "tiny", cell)
    records = run_cell(cell, WorkerConfig("tiny"), runs.log)
    runs.finish(records)
    assert runs.warning is None
    return cell, records, read(folder), folder


def test_every_trial_is_a_run_that_can_be_found(trained):
    cell, records, found, _ = trained
    assert set(found) == {record.trial for record in records}
    for record in records:
        one = found[record.trial]
        assert one.run.run_id.startswith(f"{record.trial}-")
        assert (one.run.project, one.run.run_group, one.run.job_type) == ("proj", "tiny", "trial")
        assert set(one.run.tags) == {"tiny", "gru", "recall", "length-4"}
        assert one.exits == [0]
        expected = {
            "suite": "tiny", "architecture": "gru", "task": "recall", "length": 4,
            "seed": record.seed, "learning_rate": record.learning_rate, "cell": record.cell,
            "recipe_steps": cell.recipe.steps, "recipe_decoding_method": "greedy",
            "budget_parameters": 2000, "architecture_layers": record.architecture_fields["layers"],
        }  # fmt: skip
        assert expected.items() <= one.config.items()
        flat = {key: value for key, value in one.config.items() if key != "_wandb"}
        assert not any(isinstance(value, dict) for value in flat.values())


def test_learning_curves_are_those_of_the_records(trained):
    _, records, found, _ = trained
    for record in records:
        one = found[record.trial]
        rows = [{name: row[name] for name in Point.model_fields} for row in one.rows("train_loss")]
        assert rows == [point.model_dump() for point in record.curve]
        assert (one.axes["examples"], one.axes["*"]) == ("", "examples")


def test_probes_are_lines_and_a_table(trained):
    _, records, found, _ = trained
    selected = [record for record in records if record.selected]
    assert selected
    others = [found[record.trial] for record in records if not record.selected]
    assert not any(name.startswith("probe") for one in others for name in one.summary)
    for record in selected:
        one = found[record.trial]
        drawn = [
            (name, row[f"probe/{name}/x"], row[f"probe/{name}"])
            for row in one.history
            for name in {value.probe for value in record.probes}
            if f"probe/{name}" in row
        ]
        assert sorted(drawn) == sorted((v.probe, v.x, v.value) for v in record.probes)
        longest = max(Counter(value.probe for value in record.probes).values())
        assert sum(any(key.startswith("probe/") for key in row) for row in one.history) == longest
        for value in record.probes:
            assert one.axes[f"probe/{value.probe}"] == f"probe/{value.probe}/x"
        path = next(row for row in one.history if "probes/path" in row)["probes/path"]
        table = json.loads((one.file.parent / "files" / path).read_text())
        assert table["columns"] == ["probe", "x", "value", "count"]
        assert table["data"] == [[v.probe, v.x, v.value, v.count] for v in record.probes]


def test_another_reader_reads_the_same(trained):
    """W&B's own inspector agrees on how a run ended and what it came to."""
    _, records, found, _ = trained
    record = next(record for record in records if record.selected)
    done = subprocess.run(
        [sys.executable, "-m", "wandb", "leet", "inspect", "--json", "--summary",
         str(found[record.trial].file)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    told = json.loads(done.stdout)
    assert (told["state"], told["exit_code"], told["name"]) == (
        "finished",
        0,
        f"gru-recall-4-seed{record.seed}-rate{record.learning_rate:g}",
    )
    assert told["summary"]["score"] == record.score
    assert told["config"]["recipe_steps"] == 8


@pytest.mark.parametrize("status", [Status.FAILED, Status.DIVERGED, Status.OUT_OF_MEMORY])
def test_what_went_wrong_ends_as_failed_with_its_reason(cell, tmp_path, status):
    runs = CellRuns(Tracking("offline", tmp_path), "tiny", cell)
    runs.finish(failed_records(cell, WorkerConfig("tiny"), status, "it broke"))
    found = read(tmp_path)
    assert len(found) == 4
    for one in found.values():
        assert one.exits == [1]
        assert one.notes == "it broke"
        assert (one.summary["status"], one.summary["reason"]) == (status, "it broke")


def test_a_refusal_ends_well(cell, tmp_path):
    runs = CellRuns(Tracking("offline", tmp_path), "tiny", cell)
    runs.finish(failed_records(cell, WorkerConfig("tiny"), Status.UNSUPPORTED, "it reads ahead"))
    assert [one.exits for one in read(tmp_path).values()] == [[0]] * 4


def test_runs_that_are_logged_in_turn_do_not_mix(tmp_path, cell):
    nine = replace(cell, seeds=(0, 1, 2), rates=(1e-3, 3e-3, 1e-2))
    runs = CellRuns(Tracking("offline", tmp_path), "tiny", nine)
    for step in range(1, 6):
        order = range(9) if step % 2 else reversed(range(9))
        runs.log({place: point(step, 100 * place + step) for place in order})
    runs.finish(failed_records(nine, WorkerConfig("tiny"), Status.UNSUPPORTED, "enough"))
    assert runs.warning is None
    found = read(tmp_path)
    for place, (seed, rate) in enumerate(nine.pairs):
        rows = found[nine.trial_key(seed, rate)].history
        assert [(row["step"], row["train_loss"]) for row in rows] == [
            (step, 100 * place + step) for step in range(1, 6)
        ]


@pytest.mark.slow
@pytest.mark.short
def test_two_hundred_runs_in_one_process(tmp_path, cell):
    many = replace(cell, seeds=tuple(range(200)), rates=(1e-3,))
    runs = CellRuns(Tracking("offline", tmp_path), "tiny", many)
    runs.log({place: point(1, place) for place in range(200)})
    runs.finish(failed_records(many, WorkerConfig("tiny"), Status.UNSUPPORTED, "enough"))
    assert runs.warning is None
    found = read(tmp_path)
    assert len(found) == 200
    losses = [found[many.trial_key(seed, 1e-3)].history[0]["train_loss"] for seed in range(200)]
    assert losses == list(range(200))
    assert all(one.exits == [0] for one in found.values())


def test_numbers_that_are_not_finite_are_kept(cell, tmp_path):
    runs = CellRuns(Tracking("offline", tmp_path), "tiny", cell)
    runs.log({0: point(1, math.inf), 1: point(1, math.nan)})
    runs.finish(failed_records(cell, WorkerConfig("tiny"), Status.DIVERGED, "it left the numbers"))
    assert runs.warning is None
    found = read(tmp_path)
    keys = [cell.trial_key(*pair) for pair in cell.pairs]
    losses = [float(found[key].history[0]["train_loss"]) for key in keys[:2]]
    assert losses[0] == math.inf
    assert math.isnan(losses[1])


def test_disabled_writes_nothing(cell, tmp_path):
    runs = CellRuns(Tracking("disabled", tmp_path), "tiny", cell)
    runs.log({0: point(1, 0)})
    assert runs.warning is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("where", ["init", "log"])
def test_wandb_down_is_a_warning_and_no_result_is_lost(cell, tmp_path, monkeypatch, where):
    import wandb

    def down(*arguments, **options):
        raise ConnectionResetError("the service is gone")

    if where == "init":
        monkeypatch.setattr(wandb, "init", down)
    runs = CellRuns(Tracking("offline", tmp_path), "tiny", cell)
    if where == "log":
        for run in runs.runs:
            monkeypatch.setattr(run, "log", down)
    records = run_cell(cell, WorkerConfig("tiny"), runs.log)
    runs.finish(records)
    assert {record.status for record in records} == {Status.OK}
    assert runs.warning == "W&B stopped tracking: ConnectionResetError: the service is gone"


def point(step, loss):
    return factories.point(step, examples=step, train_loss=loss)
