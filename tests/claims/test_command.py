"""`lagbench claims`: running experiments, going on with them, and judging what is there."""

import csv
import json
import shlex

import pytest
from typer.testing import CliRunner

from lagbench.claims import CLAIMS, conduct
from lagbench.claims.evidence import Evidence
from lagbench.cli import app
from lagbench.record import StepTime

SIXTH = CLAIMS[5]
TINY = shlex.split(
    "--claim 6 --seeds 2 --set recipe.steps=2 --set recipe.test_examples=20 "
    "--executor inline --wandb disabled"
)


def invoke(*words):
    done = CliRunner().invoke(app, ["claims", *map(str, words)])
    assert done.exit_code == 0, done.output
    return done


def files(folder):
    return sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def supporting(evidence, stored):
    """A folder in which the sixth claim is well supported, and nothing was tried for the others."""
    return stored(evidence(SIXTH, score=lambda r: 0.9 if r.architecture == "bilstm" else 0.0))


def test_what_is_there_is_judged(supporting):
    before = files(supporting)
    told = json.loads(invoke("--suite", supporting, "--json").stdout)
    assert [row["claim"] for row in told] == list(range(1, 16))
    assert [row["claim"] for row in told if row["verdict"] == "supported"] == [6]
    assert told[0]["reason"] == "nothing was measured"
    assert told[0]["effect"] is None
    sixth = told[5]
    assert sixth["low"] <= sixth["effect"] <= sixth["high"]
    assert sixth["effect"] == pytest.approx(0.9)
    assert (sixth["threshold"], sixth["seeds"]) == (0.2, 4)
    assert sixth["evidence"] == "claims/future"
    written = {str(path) for path in set(files(supporting)) - set(before)}
    assert written == {"claims.csv", "claim_parts.csv", "report.html", "report.md"}


def test_the_table_says_what_json_says(supporting):
    told = json.loads(invoke("--suite", supporting, "--json").stdout)
    with (supporting / "claims.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["verdict"] for row in rows] == [one["verdict"] for one in told]
    assert list(rows[5].values()) == [str(value) for value in told[5].values()]


def test_one_claim_alone_is_printed(supporting):
    printed = invoke("--suite", supporting, "--claim", 6).stdout
    assert "supported" in printed
    assert "undecided" not in printed
    assert str(supporting) in printed


def test_how_it_was_run_stands_on_the_page(supporting):
    invoke("--suite", supporting)
    page = (supporting / "report.md").read_text(encoding="utf-8")
    assert "| experiments | claims/future |" in page
    assert "| took | 1 min 1 s |" in page
    assert "| cores that others kept busy during timings | 0.2 |" in page


def test_a_damaged_record_is_told_and_set_aside(supporting):
    damaged = next(supporting.glob("future/trials/*/result.json"))
    damaged.write_text("{", encoding="utf-8")
    done = invoke("--suite", supporting, "--json")
    assert "was set aside" in done.stderr
    assert json.loads(done.stdout)[5]["seeds"] == 3


def test_the_plan_names_the_experiments_of_a_claim(tmp_path):
    words = ["--plan", "--claim", 2, "--seeds", 2, "--out", tmp_path, "--json"]
    told = json.loads(invoke(*words).stdout)
    assert [row["experiment"] for row in told] == ["claims/clipped", "claims/unclipped", "all"]
    assert [row["trials to train"] for row in told] == [24, 24, 48]
    assert files(tmp_path) == []


def test_experiments_are_run_once_and_judged(tmp_path):
    out = tmp_path / "claims"
    told = invoke(*TINY, "--out", out, "--json")
    (row,) = json.loads(told.stdout)
    assert (row["claim"], row["seeds"]) == (6, 2)
    assert "4 cells to train" in told.stderr
    assert (out / "future" / "report.html").is_file()
    assert not (out / "step_times.json").exists()  # it compares no times
    again = invoke(*TINY, "--out", out, "--json")
    assert again.stdout == told.stdout
    assert "0 cells to train, 4 there already" in again.stderr


def test_times_are_taken_once_where_a_claim_needs_them(tmp_path, monkeypatch):
    taken = []

    def step_times(shapes, rounds):
        taken.append(rounds)
        return [
            StepTime(
                **vars(shape), task="recall", parameters=1, seconds_per_token=(1e-6,) * rounds,
                torch="2", device="cpu",
            )
            for shape in shapes
        ]  # fmt: skip

    monkeypatch.setattr(conduct, "step_times", step_times)
    conduct.time_models([SIXTH], tmp_path)
    assert taken == []
    for _ in range(2):
        conduct.time_models([CLAIMS[12]], tmp_path, rounds=3)
    assert taken == [3]
    found = conduct.evidence(*conduct.stored(tmp_path))
    assert isinstance(found, Evidence)
    parts = [quantity.values(found) for claim in CLAIMS for quantity in claim.quantities]
    timed = [values for values in parts if values]
    assert len(timed) == sum(one.shape is not None for c in CLAIMS for one in c.quantities)
    assert all(set(values) == {0, 1, 2} for values in timed)
