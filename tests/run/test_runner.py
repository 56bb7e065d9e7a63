"""A tiny suite from beginning to end: trained, tracked, measured, reported, resumed."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from threading import Thread

import pandas as pd
import pytest

from lagbench.record import Run, Status
from lagbench.run.config import RunConfig
from lagbench.run.executors.local import Inline, Local
from lagbench.run.runner import Watcher, rewrite, run, train_cells
from lagbench.run.store import Store
from lagbench.spec.suite import Selection, cells, load, selected
from lagbench.tracking import Tracking

TIMED = [  # not decided by the trial
    *("wall_seconds", "train_tokens_per_second", "inference_tokens_per_second"),
    "decode_ms_per_token",
]


class Recorder(Watcher):
    def __init__(self):
        self.trained, self.present, self.events = [], [], []

    def planned(self, missing, present):
        self.present = present

    def on_event(self, event):
        self.events.append(event)

    def finished(self, done):
        self.trained.append(done.cell.cell_id)


def order(suite, out, **changes):
    return RunConfig(**{
        "suite": suite, "out": out, "executor": Inline(), "tracking": Tracking("disabled"),
        **changes,
    })  # fmt: skip


def trials(out):
    return pd.read_csv(out / "trials.csv").drop(columns=TIMED)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished run")  # with a space in its name
    suite = load(str(Path(__file__).parents[1] / "suites" / "tiny.toml"))
    recorder = Recorder()
    return suite, folder / "out", run(order(suite, folder / "out"), recorder), recorder


def test_every_trial_is_a_row(finished):
    _, out, report, recorder = finished
    rows = trials(out)
    assert len(rows) == 9 * 4
    assert len(recorder.trained) == 9
    assert isinstance(report, Run)
    assert set(rows.status) == {"ok", "unsupported"}
    skipped = rows[rows.status == "unsupported"]
    assert set(zip(skipped.architecture, skipped.task, strict=True)) == {("bilstm", "copy")}
    assert skipped.reason.str.contains("reads ahead").all()
    trained = rows[rows.status == "ok"]
    assert (trained.steps == 8).all()
    assert trained.parameters.between(1800, 2200).all()
    assert (trained.budget_error == (trained.parameters - 2000) / 2000).all()


def test_test_is_scored_for_one_rate_only(finished):
    _, out, _, _ = finished
    rows = trials(out)
    trained = rows[rows.status == "ok"]
    assert (trained.selected == trained.score.notna()).all()
    for _, cell in trained.groupby(["architecture", "task", "length"]):
        chosen = cell[cell.selected]
        assert chosen.learning_rate.nunique() == 1
        means = cell.groupby("learning_rate").validation_score.mean()
        assert means[chosen.learning_rate.iloc[0]] == means.max()


def test_all_files_are_there(finished):
    _, out, _, _ = finished
    names = (
        "trials",
        "curves",
        "probes",
        "summary",
        "horizons",
        "comparisons",
        "ranks",
        "lr_windows",
    )
    for name in (*names, "unsupported"):
        assert (out / f"{name}.csv").is_file()
    assert "<svg" in next((out / "figures").glob("*.svg")).read_text()
    assert "recall" in (out / "report.md").read_text()
    assert "recall" in (out / "report.html").read_text()


def test_what_it_tells_while_it_goes_on(finished):
    _, _, _, recorder = finished
    heard = [event for event in recorder.events if event.cell_id == ("gru", "recall", 8)]
    assert [len(event.points) for event in heard] == [0, 4, 4]
    assert [next(iter(event.points.values())).step for event in heard[1:]] == [4, 8]


def test_a_finished_run_trains_nothing_and_a_torn_one_only_what_is_missing(finished, tmp_path):
    suite, out, _, _ = finished
    copy = tmp_path / "copy"
    shutil.copytree(out, copy)
    again = Recorder()
    run(order(suite, copy), again)
    assert again.trained == []
    pd.testing.assert_frame_equal(trials(copy), trials(out))
    results = (path for path in (copy / "trials").iterdir())
    victim = next(path for path in results if "gru" in (path / "result.json").read_text())
    shutil.rmtree(victim)
    resumed = Recorder()
    run(order(suite, copy), resumed)
    assert len(resumed.trained) == 1
    pd.testing.assert_frame_equal(trials(copy), trials(out))


def test_workers_give_the_same_numbers_as_this_process(finished, tmp_path):
    suite, out, _, _ = finished
    recorder = Recorder()
    run(order(suite, tmp_path / "out", executor=Local(2)), recorder)
    pd.testing.assert_frame_equal(trials(tmp_path / "out"), trials(out))
    assert len(recorder.trained) == 9
    assert any(event.points for event in recorder.events)


@pytest.mark.parametrize(("mode", "expected"), [("offline", "[]"), ("disabled", "['wandb']")])
def test_what_is_needed_in_the_end_is_imported_ahead(mode, expected):
    needed = ["pytorch_lightning", "altair", "matplotlib", "wandb"]
    program = (
        "import sys; from lagbench.run.runner import _import_ahead; "
        f"from lagbench.tracking import Tracking; _import_ahead(Tracking({mode!r})); "
        f"print([name for name in {needed} if name not in sys.modules])"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "bench")}
    found = subprocess.check_output([sys.executable, "-c", program], env=environment, text=True)
    assert found.strip() == expected


def test_two_threads_never_import_at_once(tmp_path, tiny):
    suite = selected(load(str(tiny)), Selection(("bag_of_words",), ("recall",), (4,)))
    ahead = Thread(target=time.sleep, args=(1,))
    importing = []

    class Runs:
        def ended(self, *_):
            importing.append(ahead.is_alive())

    ahead.start()
    train_cells(order(suite, tmp_path), cells(suite), Store(tmp_path), Recorder(), Runs(), ahead)
    assert importing == [False]


def test_another_selection_adds_to_the_folder(finished, tmp_path):
    suite, out, _, _ = finished
    copy = tmp_path / "copy"
    shutil.copytree(out, copy)
    run(order(selected(suite, Selection(("rnn",), ("recall",), (4,))), copy), Recorder())
    run(
        order(selected(load_with(suite, 4), Selection(("gru",), ("recall",), (4,))), copy),
        Recorder(),
    )
    rows = trials(copy)
    assert len(rows) == 9 * 4 + 4
    assert set(rows[(rows.architecture == "gru") & (rows.length == 4)].steps) == {4}
    assert set(rows[(rows.architecture == "gru") & (rows.length == 8)].steps) == {8}


def load_with(suite, steps):
    return suite.model_copy(update={"recipe": suite.recipe.model_copy(update={"steps": steps})})


def test_reports_come_from_records_alone(finished, tmp_path):
    _, out, _, _ = finished
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("trials", "throughput"):
        shutil.copytree(out / name, copy / name)
    shutil.copy(out / "run.json", copy)
    rewrite(copy)
    for path in out.glob("*.csv"):
        assert (copy / path.name).read_bytes() == path.read_bytes()
    assert (copy / "report.html").read_bytes() == (out / "report.html").read_bytes()


BROKEN = '''
from dataclasses import dataclass
from lagbench.contract import Architecture
from lagbench.registry import register

@dataclass(frozen=True)
class Broken(Architecture):
    """x -> y"""
    how: str = "raise"
    def build(self, width, signature):
        if self.how == "exit":
            raise SystemExit("gone")
        if self.how == "die":
            import os
            os._exit(7)
        raise RuntimeError("not today")

register("broken", Broken())
'''


def test_a_broken_architecture_is_a_row_and_costs_no_other(tiny, tmp_path):
    from lagbench import registry

    plugin = tmp_path / "broken.py"
    plugin.write_text(BROKEN)
    registry.discover([plugin])
    names = ("gru", "broken", "broken:how=exit", "broken:how=die")
    suite = selected(load(str(tiny)), Selection(names, ("recall",), (4,)))
    run(order(suite, tmp_path / "out", executor=Local(2), plugins=(plugin,)), Recorder())
    rows = trials(tmp_path / "out").groupby("architecture").first()
    assert rows.status.to_dict() == {
        "gru": Status.OK, "broken": Status.FAILED,
        "broken:how=exit": Status.FAILED, "broken:how=die": Status.FAILED,
    }  # fmt: skip
    assert rows.reason["broken"] == "RuntimeError: not today"
    assert rows.reason["broken:how=exit"] == "SystemExit: gone"
    assert "worker died" in rows.reason["broken:how=die"]
