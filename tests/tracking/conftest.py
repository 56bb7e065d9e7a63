"""A tiny run that was tracked offline, and a process in which W&B knows nobody."""

import os

import pytest
import wandb

from lagbench.run.config import RunConfig
from lagbench.run.executors.local import Inline
from lagbench.run.runner import run
from lagbench.spec.suite import load
from lagbench.tracking import Tracking
from tests.tracking.samples import KEY, TINY, Warnings, one_cell


@pytest.fixture(autouse=True)
def _nobody(monkeypatch, tmp_path):
    """No login, no wishes in the environment, and no server but one on loopback.

    W&B's own note of its service stays: put back after a test that ended the service, it would
    send the next test to one that is gone.
    """
    for name in os.environ:
        if name.startswith("WANDB_") and name != "WANDB_SERVICE":
            monkeypatch.delenv(name)
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("NETRC", os.devnull)


@pytest.fixture(scope="session", autouse=True)
def _service_ends():
    yield
    wandb.teardown()


@pytest.fixture
def logged_in(monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    return KEY


@pytest.fixture
def cell():
    return one_cell()


@pytest.fixture(scope="session")
def tracked(tmp_path_factory):
    """The folder of the suite `tiny`, every trial of it tracked offline."""
    out = tmp_path_factory.mktemp("tracked run") / "out"  # with a space in its name
    watcher = Warnings()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WANDB_API_KEY", KEY)
        order = RunConfig(load(TINY), out, Inline(), Tracking("offline", out, "proj"))
        run(order, watcher)
    assert watcher.said == []
    return out
