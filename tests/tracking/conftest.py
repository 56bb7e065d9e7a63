"""A tiny run that was tracked offline, and a process in which W&B knows nobody."""

import os
from pathlib import Path

import pytest
import wandb

from bench.run.executors.inline import Inline
from bench.run.runner import Order, Watcher, run
from bench.run.suite import Selection, cells, load, selected
from bench.tracking import Tracking

KEY = "0123456789" * 4  # of the form of an API key, and nobody's
TINY = Path(__file__).parents[1] / "suites" / "tiny.toml"


@pytest.fixture(autouse=True)
def _nobody(monkeypatch, tmp_path):
    """No login, no wishes in the environment, and no server but one on loopback."""
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
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
    suite = selected(load(str(TINY)), Selection(("gru",), ("recall",), (4,)))
    (found,) = cells(suite)
    return found


class Warnings(Watcher):
    def __init__(self):
        self.said = []

    def warned(self, sentence):
        self.said.append(sentence)


@pytest.fixture(scope="session")
def tracked(tmp_path_factory):
    """The folder of the suite `tiny`, every trial of it tracked offline."""
    out = tmp_path_factory.mktemp("tracked run") / "out"  # with a space in its name
    watcher = Warnings()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WANDB_API_KEY", KEY)
        order = Order(load(str(TINY)), out, Inline(), Tracking("offline", out, "proj"))
        run(order, watcher)
    assert watcher.said == []
    return out
