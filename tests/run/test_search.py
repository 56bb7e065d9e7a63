"""Searches: what is tried, what judges it, what a stopped one leaves, and what the command says."""

import csv
import json
import shlex
import shutil
import sys
from dataclasses import dataclass, field
from math import log10
from pathlib import Path
from statistics import fmean

import pandas as pd
import pytest
from typer.testing import CliRunner

from lagbench.cli import app, main
from lagbench.contract import UserError
from lagbench.record import Status
from lagbench.run.cell import run_cell
from lagbench.run.config import RunConfig, WorkerConfig
from lagbench.run.executor import Finished
from lagbench.run.executors.local import Inline
from lagbench.run.failures import failed_records
from lagbench.run.space import configured, space
from lagbench.run.store import Store
from lagbench.spec.suite import Selection, cells, load, selected
from lagbench.tracking import Tracking

optuna = pytest.importorskip("optuna", reason="optuna is an extra, and not installed")

from lagbench.run.search import ROUND, ranked, search  # noqa: E402

SMOOTH = ["recipe.weight_decay=0.0001..1", "recipe.warmup=0..1000"]


@dataclass
class Pretending:
    """An executor that trains nothing: a score, or how it ended, follows from the recipe alone."""

    workers: int = 0
    backwards: bool = False
    stop_after: int | None = None
    done: list = field(default_factory=list)

    def execute(self, cells, setup, listen):
        for cell in cells[::-1] if self.backwards else cells:
            if len(self.done) == self.stop_after:
                raise KeyboardInterrupt
            self.done.append(cell)
            yield Finished(cell, pretended(cell))


def merit(recipe):
    """Highest, and 1, where the decay is 0.01 and the warm-up 300."""
    return 1 - (log10(recipe.weight_decay) + 2) ** 2 / 4 - ((recipe.warmup - 300) / 700) ** 2


def pretended(cell):
    """The second learning rate is the better one; on test, the worst configuration is the best."""
    score = merit(cell.recipe)
    return [
        one.model_copy(update={
            "selected": one.learning_rate == cell.rates[1],
            "validation_score": score - (one.learning_rate == cell.rates[0]),
            "score": -score,
        })
        for one in failed_records(cell, WorkerConfig("tiny"), Status.OK, "")
    ]  # fmt: skip


@pytest.fixture
def suite(tiny):
    return selected(load(str(tiny)), Selection(("gru",), ("recall",), (4,)))


def order(suite, out, executor):
    return RunConfig(suite, out, executor, Tracking("disabled"))


def searched(suite, out, executor, varied=SMOOTH, most=24, seed=0):
    return search(order(suite, out, executor), space(suite, "gru", varied), most, seed)


def test_the_same_seed_tries_the_same_whatever_order_they_end_in(suite, tmp_path):
    first = searched(suite, tmp_path / "a", Pretending())
    assert [one.number for one in first] == list(range(1, 25))
    assert searched(suite, tmp_path / "b", Pretending(backwards=True)) == first
    other = searched(suite, tmp_path / "c", Pretending(), seed=1)
    assert not any(one.configuration in [each.configuration for each in first] for one in other)


def test_it_learns_from_what_it_tried(suite, tmp_path):
    scores = [one.validation_score for one in searched(suite, tmp_path, Pretending(), most=60)]
    assert fmean(scores[-20:]) > fmean(scores[:20]) + 0.2
    assert max(scores) > 0.95


def test_the_score_is_that_of_validation_at_the_best_rate(suite, tmp_path):
    found = searched(suite, tmp_path, Pretending(), most=8)
    for one in found:
        recipe = configured(suite, one.configuration).recipe
        assert one.validation_score == pytest.approx(merit(recipe))
    assert ranked(found)[0].validation_score == max(one.validation_score for one in found)


def test_a_stopped_search_goes_on_where_it_was(suite, tmp_path):
    whole = searched(suite, tmp_path / "whole", Pretending())
    stopped = Pretending(stop_after=ROUND + 2)
    with pytest.raises(KeyboardInterrupt):
        searched(suite, tmp_path / "torn", stopped)
    rest = Pretending()
    assert searched(suite, tmp_path / "torn", rest) == whole
    assert len(rest.done) == 24 - len(stopped.done)
    tables = [(tmp_path / name / "search.csv").read_bytes() for name in ("whole", "torn")]
    assert tables[0] == tables[1]


def test_more_trials_begin_with_the_same(suite, tmp_path):
    first = searched(suite, tmp_path, Pretending(), most=12)
    again = Pretending()
    assert searched(suite, tmp_path, again, most=16)[:12] == first
    assert len(again.done) == 4


def test_what_is_chosen_again_is_not_trained_again(suite, tmp_path):
    executor = Pretending()
    varied = ["recipe.weight_decay=0.001,0.01,0.1", "recipe.warmup=0,300,600,900"]
    found = searched(suite, tmp_path, executor, varied, most=11)
    distinct = {tuple(one.configuration.values()) for one in found}
    assert len(executor.done) == len(distinct) < len(found) == 11


def test_all_of_a_small_space_is_tried_once(suite, tmp_path):
    varied = ["recipe.weight_decay=0.001,0.01,0.1", "recipe.warmup=300..301"]
    found = searched(suite, tmp_path, Pretending(), varied, most=6)
    typed = [tuple(one.configuration.values()) for one in found]
    assert typed == [(d, w) for d in ("0.001", "0.01", "0.1") for w in ("300", "301")]
    assert ranked(found)[0].configuration == {"recipe.weight_decay": "0.01", "recipe.warmup": "300"}


ENDS = {
    0: Status.OK,
    1: Status.DIVERGED,
    2: Status.UNSUPPORTED,
    3: Status.FAILED,
    4: Status.TIMEOUT,
}


@dataclass
class Ending(Pretending):
    """The warm-up says how a cell ends."""

    def execute(self, cells, setup, listen):
        for done in super().execute(cells, setup, listen):
            status = ENDS[done.cell.recipe.warmup]
            update = {"status": status, "reason": f"it is {status.value}"}
            if status not in (Status.OK, Status.DIVERGED):
                update |= {"selected": False, "score": None, "validation_score": None}
            yield Finished(done.cell, [one.model_copy(update=update) for one in done.records])


def test_what_came_to_nothing_is_a_row_with_its_reason(suite, tmp_path, monkeypatch):
    made, create = [], optuna.create_study

    def kept(**named):
        made.append(create(**named))
        return made[-1]

    monkeypatch.setattr(optuna, "create_study", kept)
    varied = ["recipe.warmup=0,1,2,3,4", "recipe.weight_decay=0.1,0.2"]
    found = searched(suite, tmp_path, Ending(), varied, most=10)
    assert [one.status for one in found] == [status for status in ENDS.values() for _ in "ab"]
    for one in found[2:]:
        assert one.validation_score is None
        assert one.reason == f"recall at length 4: it is {one.status.value}"
    with (tmp_path / "search.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["reason"] for row in rows] == [one.reason or "" for one in found]
    assert [float(row["validation_score"]) for row in rows[:2]] == [
        one.validation_score for one in found[:2]
    ]
    (study,) = made
    told = [trial.state.name for trial in study.trials]
    assert told == ["COMPLETE"] * 2 + ["PRUNED"] * 4 + ["FAIL"] * 4
    assert [one.number for one in ranked(found)][2:] == list(range(3, 11))


def test_values_that_do_not_go_together_are_a_row_too(suite, tmp_path):
    varied = space(suite, "lru", ["r_min=0.5,0.95", "r_max=0.9,0.99", "recipe.weight_decay=1"])
    found = search(order(suite, tmp_path, Pretending()), varied, 4, 0)
    assert [one.status for one in found] == [Status.OK, Status.OK, Status.UNSUPPORTED, Status.OK]
    assert "must lie in order" in found[2].reason


# --- with training ----------------------------------------------------------------------------

VARIED = ["layers=1,2", "recipe.weight_decay=0,0.5", "budget.parameters=3,2000"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("search")
    tiny = Path(__file__).parents[1] / "suites" / "tiny.toml"
    suite = selected(load(str(tiny)), Selection(("gru",), ("recall",), (4, 8)))
    return suite, folder, searched(suite, folder, Inline(), VARIED, most=8)


def test_every_score_is_that_of_training_its_configuration_alone(trained):
    suite, _, found = trained
    assert len(found) == 8
    base = space(suite, "gru", VARIED).suite
    for one in found:
        if one.configuration["budget.parameters"] == "3":
            assert one.status is Status.UNSUPPORTED
            assert "no width comes within" in one.reason
            continue
        best = []
        for cell in cells(configured(base, one.configuration)):
            rows = pd.DataFrame([dict(record) for record in run_cell(cell, WorkerConfig("tiny"))])
            best.append(rows.groupby("learning_rate").validation_score.mean().max())
        assert one.validation_score == pytest.approx(fmean(best))


def test_test_decides_nothing(trained, tmp_path):
    suite, folder, found = trained
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    store = Store(copy)
    for path in copy.glob("trials/*/result.json"):
        text = json.loads(path.read_text())
        text |= {name: 7.0 for name in ("score", "test_loss", "test_metric") if text[name]}
        path.write_text(json.dumps(text))
    assert searched(suite, copy, Inline(), VARIED, most=8) == found
    assert store.read_run() is None, "nothing of a search is reported as a run"


# --- the command ------------------------------------------------------------------------------


def lagbench(*words, status=0):
    done = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert done.exit_code == status, done.output
    return done


def test_the_command_gives_the_one_that_runs_the_best_afresh(tiny, tmp_path):
    out = tmp_path / "with space"
    words = ["search", tiny, "--architecture", "gru", "--task", "recall", "--length", "4",
             "--vary", "layers=1,2", "--vary", "recipe.weight_decay=0,0.5", "--set",
             "recipe.batch_size=5", "--executor", "inline", "--out", out]  # fmt: skip
    done = lagbench(*words, "--json")
    told = json.loads(done.stdout)
    assert len(told["configurations"]) == 4
    assert [line.split(":")[0] for line in done.stderr.splitlines()] == [
        f"{number} of 4" for number in (1, 2, 3, 4)
    ]
    best = told["configurations"][0]
    program, *afresh = shlex.split(told["best"])
    assert program == "lagbench"
    lagbench(*afresh, "--executor", "inline", "--wandb", "disabled")
    rows = pd.read_csv(out / "best" / "trials.csv")
    assert set(rows.seed) == {2, 3}
    expected = "gru" if best["layers"] == "1" else "gru:layers=2"
    assert set(rows.architecture) == {expected}
    records = [json.loads(path.read_text()) for path in out.glob("best/trials/*/result.json")]
    assert {one["recipe"]["weight_decay"] for one in records} == {
        float(best["recipe.weight_decay"])
    }
    assert {one["recipe"]["batch_size"] for one in records} == {5}
    scores = [one["validation_score"] for one in told["configurations"]]
    alike = scores.count(max(scores))
    printed = lagbench(*words).stdout
    assert told["best"] in printed.splitlines()
    assert (f", the first of {alike} alike, with" in printed) == (alike > 1)
    assert "search.csv" in printed


def test_where_nothing_has_a_score_there_is_no_best(tiny, tmp_path):
    words = ["search", tiny, "--architecture", "gru", "--task", "recall", "--executor", "inline",
             "--vary", "budget.parameters=3,4", "--out", tmp_path / "out"]  # fmt: skip
    done = lagbench(*words, status=1)
    assert "no width comes within" in done.stdout
    assert "No configuration has a score" in done.stderr
    assert json.loads(lagbench(*words, "--json", status=1).stdout)["best"] is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (["--vary", "layer=1,2"], "A search cannot vary 'layer'; did you mean 'layers'?"),
        (["--vary", "layers=0..2"], "layers must be at least 1."),
        (["--vary", "layers=1,2", "--architecture", "gruu"], "did you mean 'gru'?"),
        (["--vary", "layers=1,2", "--task", "recal"], "did you mean 'recall'?"),
        (["--vary", "layers=1,2", "--set", "recipe.stepz=1"], "did you mean 'steps'?"),
    ],
)
def test_bad_input_is_one_sentence(change, said, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    words = ["lagbench", "search", "quick", "--architecture", "gru", *change]
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit, match="2"):
        main()
    told = capsys.readouterr()
    assert said in told.err
    assert told.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_without_optuna_a_search_is_a_sentence(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "optuna", None)
    monkeypatch.delitem(sys.modules, "lagbench.run.search")
    monkeypatch.delattr("lagbench.run.search")
    with pytest.raises(UserError, match=r"pip install 'lagbench\[optuna\]'"):
        lagbench("search", "quick", "--architecture", "gru", "--vary", "layers=1,2")
