"""The workspace and the report that a server on loopback is sent."""

import json

import pytest
import wandb

from lagbench.contract import UserError
from lagbench.tracking.dashboard import save
from lagbench.tracking.destination import Tracking
from tests.tracking.stub import serving


@pytest.fixture
def server(monkeypatch, logged_in):
    wandb.teardown()
    with serving() as stub:
        monkeypatch.setenv("WANDB_BASE_URL", stub.url)
        yield stub
        wandb.teardown()


def test_both_are_saved_and_show_what_runs_have(server):
    saved = save(Tracking("online", project="proj"), "tiny", ["recall", "copy"])
    assert saved.workspace.startswith(f"{server.url}/me/proj?nw=")
    assert saved.report.startswith(f"{server.url}/me/proj/reports/LagBench")

    (view,) = server.arrived.calls("UpsertView2")
    assert (view["entityName"], view["projectName"]) == ("me", "proj")
    spec = json.loads(view["spec"])["section"]
    panels = [panel for section in spec["panelBankConfig"]["sections"]
              for panel in section["panels"]]  # fmt: skip
    drawn = {metric for panel in panels for metric in panel["config"].get("metrics", [])}
    assert {"score/recall", "score/copy", "gradient_half_life", "validation_score",
            "gradient_norm", "clip_fraction"} <= drawn  # fmt: skip
    assert {panel["viewType"] for panel in panels} == {
        "Run History Line Plot",
        "Bar Chart",
        "Scatter Plot",
    }
    text = json.dumps(spec)
    for expected in ("summary:train_tokens_per_second", "architecture.value", '"tiny"'):
        assert expected in text

    (report,) = server.arrived.calls("upsertView")
    text = report["spec"]
    for expected in ("score/recall", "score/copy", "horizon", '"pair"', '"trial"', "How far back"):
        assert expected in text


def test_a_server_that_refuses_is_a_sentence(server, logged_in):
    server.status = 403
    with pytest.raises(UserError, match="W&B did not take the dashboard: ") as raised:
        save(Tracking("online", project="proj", entity="me"), "tiny", ["recall"])
    assert logged_in not in str(raised.value)
