"""`lagbench sync`, `agent` and `dashboard` against a server on loopback."""

import json
import sys

import pytest
import wandb
from typer.testing import CliRunner

from lagbench.cli import app
from lagbench.contract import UserError
from lagbench.record import Status
from lagbench.run.config import WorkerConfig
from lagbench.run.failures import failed_records
from lagbench.tracking import CellRuns, Tracking
from lagbench.tracking.sync import run_files, run_id
from tests.tracking.samples import TINY, one_cell
from tests.tracking.stub import serving


def lagbench(*arguments):
    return CliRunner().invoke(app, [str(one) for one in arguments], catch_exceptions=False)


@pytest.fixture
def server(monkeypatch, logged_in):
    with serving() as stub:
        monkeypatch.setenv("WANDB_BASE_URL", stub.url)
        yield stub


@pytest.fixture
def four(tmp_path):
    cell = one_cell()
    runs = CellRuns(Tracking("offline", tmp_path, "proj"), "tiny", cell)
    runs.finish(failed_records(cell, WorkerConfig("tiny"), Status.UNSUPPORTED, "enough"))
    return tmp_path


def test_sync_says_what_went_where_and_again_that_nothing_did(four, server):
    done = lagbench("sync", four)
    assert done.exit_code == 0
    for file in run_files(four):
        assert f"{server.url}/me/proj/runs/{run_id(file)}" in done.stdout
    assert done.stdout.endswith("4 uploaded, 0 were there already.\n")
    again = lagbench("sync", four, "--json")
    assert again.exit_code == 0
    found = json.loads(again.stdout)
    assert (found["places"], found["before"], found["left"]) == ({}, 4, [])


def test_sync_that_leaves_something_has_status_1(four, server, logged_in):
    server.status = 400
    done = lagbench("sync", four)
    assert done.exit_code == 1
    assert done.stdout == "0 uploaded, 0 were there already.\n"
    assert done.stderr == "Warning: 4 W&B runs are left: the server refused them.\n"
    assert logged_in not in done.output


def test_sync_of_nothing_is_a_sentence(tmp_path):
    with pytest.raises(UserError, match="it has no folder wandb"):
        lagbench("sync", tmp_path)


def test_a_dashboard_is_saved_and_said_where(server):
    wandb.teardown()
    done = lagbench("dashboard", TINY, "--project", "proj", "--json")
    wandb.teardown()
    found = json.loads(done.stdout)
    assert found["workspace"].startswith(f"{server.url}/me/proj?nw=")
    assert found["report"].startswith(f"{server.url}/me/proj/reports/")


def test_a_dashboard_without_its_library_is_a_sentence(server, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb_workspaces.reports.v2", None)
    with pytest.raises(UserError, match=r"pip install 'lagbench\[dashboard\]'"):
        lagbench("dashboard", TINY, "--project", "proj")
