"""Sweeps that W&B drives: the file, and an agent's run against a server on loopback."""

import json

import pandas as pd
import pytest
import wandb
import yaml
from typer.testing import CliRunner

from lagbench.cli import app
from lagbench.contract import UserError
from lagbench.run.agent import agent, narrowed
from lagbench.run.config import RunConfig
from lagbench.run.executors.local import Inline
from lagbench.run.runner import run
from lagbench.spec.suite import cells, load
from lagbench.tracking import Tracking
from lagbench.tracking.sweep import Choice
from tests.tracking.samples import TINY
from tests.tracking.stub import serving

CHOSEN = {"architecture": "gru", "task_at_length": "recall@8", "learning_rate": 0.02}


# W&B leaves the file of what it chose to the garbage collector.
UNCLOSED = pytest.mark.filterwarnings(
    "ignore:unclosed file:ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)


def test_the_file_spans_the_suite(tmp_path):
    out = tmp_path / "a" / "sweep.yaml"
    arguments = ["sweep", TINY, "--out", str(out), "--method", "bayes", "--project", "p",
                 "--set", "recipe.steps=9"]  # fmt: skip
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert done.exit_code == 0
    assert done.stdout == f"wandb sweep {out}\n"
    found = yaml.safe_load(out.read_text())
    values = {name: described["values"] for name, described in found["parameters"].items()}
    assert values == {
        "architecture": ["gru", "bilstm", "bag_of_words"],
        "task_at_length": ["recall@4", "recall@8", "copy@3"],
        "learning_rate": [1e-3, 1e-2],
    }
    assert found["metric"] == {"name": "validation_score", "goal": "maximize"}
    assert (found["project"], found["method"], "entity" in found) == ("p", "bayes", False)
    assert found["command"] == ["lagbench", "agent", TINY, "--set", "recipe.steps=9"]


def test_a_choice_is_one_cell_with_all_seeds():
    suite = load(TINY)
    (cell,) = cells(narrowed(suite, Choice(CHOSEN)))
    assert cell.cell_id == ("gru", "recall", 8)
    assert (cell.seeds, cell.rates) == (suite.seeds, (0.02,))
    assert cell.recipe == suite.recipe


@pytest.mark.parametrize("change", [{"task_at_length": "recall"}, {"learning_rate": "x"}])
def test_another_sweep_is_a_sentence(change):
    with pytest.raises(UserError, match="`lagbench sweep` writes one that does"):
        Choice(CHOSEN | change)
    with pytest.raises(UserError):
        Choice({})


@pytest.fixture
def asked(tmp_path, monkeypatch, logged_in):
    """The environment in which W&B's agent starts ours."""
    chosen = tmp_path / "chosen.yaml"
    chosen.write_text(yaml.safe_dump({name: {"value": value} for name, value in CHOSEN.items()}))
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    monkeypatch.setenv("WANDB_SWEEP_ID", "s1")
    monkeypatch.setenv("WANDB_RUN_ID", "r1")
    monkeypatch.setenv("WANDB_SWEEP_PARAM_PATH", str(chosen))
    wandb.teardown()
    with serving() as stub:
        monkeypatch.setenv("WANDB_BASE_URL", stub.url)
        yield stub
        wandb.teardown()


@pytest.mark.slow
@pytest.mark.short
@UNCLOSED
@pytest.mark.parametrize("status", [None, 500, "dead"])
def test_a_server_that_stops_in_mid_run_costs_a_warning(tmp_path, monkeypatch, asked, status):
    def stopping(*arguments):
        asked.status = status
        return run(*arguments)

    monkeypatch.setattr("lagbench.run.agent.run", stopping)
    folder, warning = agent(RunConfig(load(TINY), tmp_path, Inline(), Tracking("disabled")))
    assert set(pd.read_csv(folder / "trials.csv").status) == {"ok"}
    assert warning == "W&B stopped tracking: TimeoutError: Timed out finishing run."


@UNCLOSED
def test_an_agent_tells_the_server_what_came_of_it(tmp_path, monkeypatch, asked):
    monkeypatch.setattr("lagbench.run.agent.PATIENCE", 60)
    folder, warning = agent(RunConfig(load(TINY), tmp_path, Inline(), Tracking("disabled")))
    assert warning is None
    assert folder == tmp_path / "r1"
    rows = pd.read_csv(folder / "trials.csv")
    assert set(rows.learning_rate) == {0.02}
    call = asked.arrived.calls("UpsertBucket")[0]
    assert (call["name"], call["sweep"], call["jobType"]) == ("r1", "s1", "sweep")
    summary = asked.arrived.summary("r1")
    assert summary["validation_score"] == pytest.approx(rows.validation_score.mean())
    assert summary["status"] == "ok"
    curves = pd.read_csv(folder / "curves.csv").groupby("step").train_loss.mean()
    told = [row["train_loss"] for row in asked.arrived.history("r1")]
    assert told == pytest.approx(list(curves))
    configs = [json.loads(one["config"]) for one in asked.arrived.calls("UpsertBucket")]
    assert {"value": "gru"} in [config.get("architecture") for config in configs]


def test_an_agent_without_a_server_is_a_sentence(tmp_path, monkeypatch, logged_in):
    wandb.teardown()
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    monkeypatch.setenv("WANDB_MODE", "offline")
    with pytest.raises(UserError, match="does not choose"):
        agent(RunConfig(load(TINY), tmp_path, Inline(), Tracking("disabled")))
    wandb.teardown()
