"""Uploading to a server on loopback: one that works, and ones that do not."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from lagbench.record import Status
from lagbench.run.config import RunConfig, WorkerConfig
from lagbench.run.executors.local import Inline
from lagbench.run.failures import failed_records
from lagbench.run.runner import run
from lagbench.spec.suite import load, selected
from lagbench.tracking import CellRuns, SuiteRuns, Tracking
from lagbench.tracking.sync import has_ended, run_files, run_id, sync, uploaded
from tests.tracking.reading import Read
from tests.tracking.samples import KEY, SMALLEST, TINY, Warnings
from tests.tracking.stub import serving

LONG = 120  # seconds: more than a server that answers ever needs


@pytest.fixture
def serve(monkeypatch, logged_in):
    """Start a server that the environment names."""
    from contextlib import ExitStack

    with ExitStack() as stack:

        def start(**how):
            stub = stack.enter_context(serving(**how))
            monkeypatch.setenv("WANDB_BASE_URL", stub.url)
            return stub

        yield start


@pytest.fixture
def four(cell, tmp_path):
    """A folder with four runs, none uploaded."""
    runs = CellRuns(Tracking("offline", tmp_path, "proj"), "tiny", cell)
    runs.finish(failed_records(cell, WorkerConfig("tiny"), Status.FAILED, "it broke"))
    return tmp_path


def test_everything_arrives_once(tracked, tmp_path, serve):
    shutil.copytree(tracked, folder := tmp_path / "out")
    stub = serve()
    done = sync(folder, LONG)
    files = run_files(folder)
    assert (done.left, done.complaint, done.before, done.unfinished) == ((), None, 0, 0)
    assert done.addresses == {
        run_id(file): f"{stub.url}/me/proj/runs/{run_id(file)}" for file in files
    }
    arrived = stub.arrived
    trials = pd.read_csv(folder / "trials.csv").set_index("trial")
    for file in files:
        written = Read(file)
        summary = arrived.summary(run_id(file))
        if written.run.job_type == "trial":
            row = trials.loc[written.config["trial"]]
            assert summary["status"] == row.status
            assert summary.get("score", "none") == ("none" if pd.isna(row.score) else row.score)
            assert len(arrived.history(run_id(file))) == len(written.history)
        assert arrived.exit_code(run_id(file)) == [0]
    configs = [json.loads(call["config"]) for call in arrived.calls("UpsertBucket")]
    assert any(config.get("recipe_steps", {}).get("value") == 8 for config in configs)
    assert (folder / "summary.csv").read_bytes() == arrived.uploads["artifact/tiny/summary.csv"]
    assert (folder / "report.html").read_bytes() == arrived.uploads["artifact/tiny/report.html"]

    before = len(arrived.graphql)
    again = sync(folder, LONG)
    assert (again.addresses, again.before, again.left) == ({}, len(files), ())
    assert len(arrived.graphql) == before
    assert arrived.authorizations - {""}  # it did log in
    assert not [path for path in folder.rglob("*") if path.is_file()
                and KEY.encode() in path.read_bytes()]  # fmt: skip


def test_a_run_that_goes_on_is_left_alone(four, cell, serve):
    serve()
    going_on = CellRuns(Tracking("offline", four, "proj"), "tiny", cell)
    done = sync(four, LONG)
    assert (len(done.addresses), done.unfinished, done.left) == (4, 4, ())
    going_on.finish(failed_records(cell, WorkerConfig("tiny"), Status.UNSUPPORTED, "enough"))
    done = sync(four, LONG)
    assert (len(done.addresses), done.before, done.unfinished) == (4, 4, 0)


NO_ANSWER = "the server did not answer in time"


@pytest.mark.parametrize("how", [{"status": 500}, {"status": None}, {"dies_at": "UpsertBucket"}])
def test_a_server_that_does_not_work_is_given_up(four, serve, how):
    serve(**how)
    done = sync(four, patience=8)
    assert (done.addresses, done.complaint) == ({}, NO_ANSWER)
    assert len(done.left) == 4


def test_no_patience_uploads_nothing(four, serve):
    serve(status=None)
    done = sync(four, patience=0)
    assert (done.addresses, len(done.left), done.complaint) == ({}, 4, NO_ANSWER)
    assert not any(map(uploaded, run_files(four)))


def test_what_a_dead_server_did_not_take_a_living_one_does(four, serve):
    serve(dies_at="UpsertBucket")
    assert len(sync(four, patience=8).left) == 4
    serve()
    assert len(sync(four, LONG).addresses) == 4


def test_an_upload_has_a_service_of_its_own(four, serve, monkeypatch):
    """Not the one of the process that began it, which here is gone."""
    serve()
    monkeypatch.setenv("WANDB_SERVICE", f"3-{os.getpid()}-unix-{four}/nothing")
    assert len(sync(four, LONG).addresses) == 4


def test_a_refusal_is_told(four, serve):
    serve(status=400)
    done = sync(four, LONG)
    assert (len(done.left), done.complaint) == (4, "the server refused them")


def test_without_a_key_it_says_so(four, serve, monkeypatch):
    stub = serve()
    monkeypatch.delenv("WANDB_API_KEY")
    done = sync(four, LONG)
    assert "No API key configured" in done.complaint
    assert stub.arrived.graphql == []


def test_what_is_online_is_uploaded_at_the_end(four, cell, serve):
    stub = serve()
    runs = SuiteRuns(Tracking("online", four, "proj"), "tiny", LONG)
    runs.ended(cell, failed_records(cell, WorkerConfig("tiny"), Status.FAILED, "it broke"))
    assert stub.arrived.streams == []
    runs.upload()
    assert runs.warnings == []
    assert {id_ for id_, _ in stub.arrived.streams} == {run_id(file) for file in run_files(four)}


def test_online_without_a_key_is_one_warning(tmp_path, cell, monkeypatch, serve):
    stub = serve()
    monkeypatch.delenv("WANDB_API_KEY")
    runs = SuiteRuns(Tracking("online", tmp_path, "proj"), "tiny", LONG)
    runs.ended(cell, failed_records(cell, WorkerConfig("tiny"), Status.FAILED, "it broke"))
    runs.upload()
    (warning,) = runs.warnings
    assert warning.startswith("4 of 4 W&B runs were not uploaded: No API key configured")
    assert warning.endswith(f"`lagbench sync {tmp_path}` uploads them.")
    assert all(map(has_ended, run_files(tmp_path)))
    assert stub.arrived.graphql == []


@pytest.mark.slow
@pytest.mark.short
def test_a_run_against_a_server_that_hangs_is_whole_and_warns(tmp_path, serve, monkeypatch):
    serve(status=None)
    suite = selected(load(TINY), SMALLEST)
    watcher = Warnings()
    monkeypatch.setattr("lagbench.tracking.suite.PATIENCE", 8.0)
    run(RunConfig(suite, tmp_path, Inline(), Tracking("online", tmp_path, "proj")), watcher)
    assert set(pd.read_csv(tmp_path / "trials.csv").status) == {"ok"}
    files = run_files(tmp_path)
    assert all(map(has_ended, files))
    assert len(files) == 4 + 1 + 1  # trials, the pair, the suite
    (warning,) = watcher.said
    assert warning.startswith("6 of 6 W&B runs were not uploaded: ")
    assert warning.endswith(f"`lagbench sync {tmp_path}` uploads them.")
    assert KEY not in warning


def test_offline_reaches_no_server(tmp_path, cell, serve):
    stub = serve()
    runs = CellRuns(Tracking("offline", tmp_path), "tiny", cell)
    runs.finish(failed_records(cell, WorkerConfig("tiny"), Status.UNSUPPORTED, "enough"))
    assert not stub.reached.is_set()


@pytest.mark.slow
@pytest.mark.short
def test_an_upload_ends_with_the_process_that_began_it(four, serve):
    """However that went: here it does not even close its files."""
    stub = serve(status=None)
    program = (
        "import os, subprocess, sys, threading; from pathlib import Path\n"
        "from lagbench.tracking import sync\n"
        "popen = subprocess.Popen\n"
        "def told(*arguments, **options):\n"
        "    process = popen(*arguments, **options)\n"
        "    print(process.pid, flush=True)\n"
        "    return process\n"
        "subprocess.Popen = told\n"
        "work = threading.Thread(target=sync.sync, args=(Path(sys.argv[1]), 600), daemon=True)\n"
        "work.start(); sys.stdin.read(); os.kill(os.getpid(), 9)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(four)],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:  # fmt: skip
        group = int(process.stdout.readline())
        assert stub.reached.wait(LONG)
        assert _alive(group)
        process.stdin.close()
        assert process.wait(LONG) == -signal.SIGKILL
    for _ in range(LONG * 10):
        if not _alive(group):
            return
        stub.over.wait(0.1)
    raise AssertionError("it goes on")


@pytest.mark.slow
@pytest.mark.short
def test_many_runs_take_several_processes(four, serve, monkeypatch):
    from lagbench.tracking import sync as module

    monkeypatch.setattr(module, "BATCH", 3)
    began, wandb_sync = [], module._wandb_sync
    monkeypatch.setattr(
        module,
        "_wandb_sync",
        lambda files, *rest: began.append(len(files)) or wandb_sync(files, *rest),
    )
    serve()
    assert len(sync(four, LONG).addresses) == 4
    assert began == [3, 1]


def _alive(group):
    """Whether any process of the group goes on; those that nobody has waited for do not."""
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, of_group = entry.read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if int(of_group) == group and state != "Z":
            return True
    return False
