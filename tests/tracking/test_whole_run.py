"""A whole run as W&B runs, read back and compared with the tables on the disk."""

import json
import math
from pathlib import Path

import pandas as pd
import pytest

from lagbench.record import Run, Status
from lagbench.run.config import WorkerConfig
from lagbench.run.failures import failed_records
from lagbench.run.store import results
from lagbench.tracking import SuiteRuns, Tracking
from lagbench.tracking.sync import run_files
from tests.tracking.reading import Read
from tests.tracking.samples import KEY

NESTED = ["architecture_fields", "task_fields", "recipe", "budget"]  # flat, in the config
LISTS = ["unsupported_probes", "deep_probes"]  # compared with the record itself
SPEEDS = [  # measured when all trials have ended: they stand in the runs of the pairs
    *("train_tokens_per_second", "inference_tokens_per_second", "decode_ms_per_token"),
    *("peak_memory_bytes", "flops_per_token", "state_bytes"),
]


@pytest.fixture(scope="module")
def runs(tracked):
    found = {}
    for file in run_files(tracked):
        one = Read(file)
        found.setdefault(one.run.job_type, []).append(one)
    return found


def test_every_measure_of_every_trial_stands_in_its_run(tracked, runs):
    rows = pd.read_csv(tracked / "trials.csv", dtype={"commit": str})
    found = {one.config["trial"]: one for one in runs["trial"]}
    assert len(runs["trial"]) == len(rows)
    for row in rows.drop(columns=[*SPEEDS, *NESTED, *LISTS]).to_dict("records"):
        known = {name: value for name, value in row.items() if not _missing(value)}
        one = found[row["trial"]]
        assert {name: _plain(one.summary[name]) for name in known} == known
        assert one.exits == [0]
        record = json.loads((tracked / "trials" / row["trial"] / "result.json").read_text())
        assert {name: one.summary[name] for name in LISTS} == {name: record[name] for name in LISTS}
        nested = {name.removesuffix("_fields"): record[name] for name in NESTED}
        (flat,) = pd.json_normalize(nested, sep="_").to_dict("records")
        assert {name: one.config[name] for name in flat} == flat


def test_the_suite_is_a_run_with_its_tables_and_figures(tracked, runs):
    (suite,) = runs["suite"]
    assert (suite.run.run_group, suite.run.display_name) == ("tiny", "tiny")
    assert suite.exits == [0]
    assert (suite.summary["ok"], suite.summary["unsupported"]) == (32, 4)
    for name in ("trials", "summary", "horizons", "unsupported"):
        path = suite.file.parent / "files" / suite.summary[f"tables/{name}/path"]
        shown = json.loads(path.read_text())
        frame = pd.read_csv(tracked / f"{name}.csv")
        assert shown["columns"] == list(frame.columns)
        assert len(shown["data"]) == len(frame)
    for figure in [*tracked.glob("figures/*.svg"), tracked / "report.html"]:
        name = "report" if figure.suffix == ".html" else f"figures/{figure.stem}"
        path = suite.file.parent / "files" / suite.summary[f"{name}/path"]
        assert path.read_text() == figure.read_text()


def test_the_artifact_holds_the_results_and_names_the_runs_of_the_trials(tracked, runs):
    (suite,) = runs["suite"]
    (artifact,) = [one.artifact for one in suite.records
                   if one.HasField("artifact") and one.artifact.type == "results"]  # fmt: skip
    held = {entry.path: entry.local_path for entry in artifact.manifest.contents}
    names = {path.name for path in tracked.iterdir() if path.suffix in (".csv", ".md", ".html")}
    assert names | {"run.json", "records.jsonl"} <= set(held)
    assert any(name.startswith("figures/") for name in held)
    records = [json.loads(line) for line in Path(held["records.jsonl"]).read_text().splitlines()]
    assert {record["trial"] for record in records} == {one.config["trial"] for one in runs["trial"]}
    metadata = json.loads(artifact.metadata)
    assert set(metadata["runs"]) == {one.run.run_id for one in runs["trial"]}


def test_pairs_are_runs_over_lengths(tracked, runs):
    summary = pd.read_csv(tracked / "summary.csv")
    horizons = pd.read_csv(tracked / "horizons.csv").set_index(["architecture", "task"])
    found = {(one.config["architecture"], one.config["task"]): one for one in runs["pair"]}
    scored = summary[summary.score.notna()]
    assert set(found) == set(zip(scored.architecture, scored.task, strict=True))
    for place, group in scored.groupby(["architecture", "task"]):
        one = found[place]
        rows = one.rows("score")
        assert [row["length"] for row in rows] == sorted(group.length)
        assert [row["score"] for row in rows] == list(group.sort_values("length").score)
        assert [row[f"score/{place[1]}"] for row in rows] == [row["score"] for row in rows]
        for name in [*SPEEDS, "train_relative"]:
            measured = group.sort_values("length")[name]
            assert [row.get(name) for row in rows] == [None if _missing(x) else x for x in measured]
        assert one.summary["horizon"] == horizons.loc[place, "horizon"]
        assert one.axes["*"] == "length"


def test_no_secret_and_nothing_outside_the_folder(tracked):
    assert not [
        path for path in tracked.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()
    ]


def test_trials_whose_worker_died_are_tracked_all_the_same(cell, tmp_path):
    records = failed_records(cell, WorkerConfig("tiny"), Status.FAILED, "its worker died")
    runs = SuiteRuns(Tracking("offline", tmp_path), "tiny")
    runs.ended(cell, records)
    runs.ended(cell, records)  # there now: not once more
    found = [Read(file) for file in run_files(tmp_path)]
    assert [(one.exits, one.notes) for one in found] == [([1], "its worker died")] * 4


def test_wandb_down_at_the_end_is_a_warning(tracked, tmp_path, monkeypatch):
    import wandb

    def down(*arguments, **options):
        raise ConnectionResetError("the service is gone")

    monkeypatch.setattr(wandb, "init", down)
    run = Run.model_validate_json((tracked / "run.json").read_text())
    runs = SuiteRuns(Tracking("offline", tmp_path), "tiny")
    runs.finish(run, results(tracked).tables, sorted(tracked.glob("*.csv")))
    assert runs.warnings == ["W&B stopped tracking: ConnectionResetError: the service is gone"]


def _missing(value):
    return isinstance(value, float) and math.isnan(value)


def _plain(value):
    return math.inf if value == "Infinity" else value
