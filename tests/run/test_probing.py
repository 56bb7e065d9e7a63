"""Kept weights, and probes on them: the same bits as the run's own, and more where it is deep."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

from lagbench.cli import app
from lagbench.contract import UserError
from lagbench.run.config import RunConfig
from lagbench.run.executors.local import Inline
from lagbench.run.probing import probe, restore_models
from lagbench.run.runner import Watcher, run
from lagbench.run.store import Store
from lagbench.spec.suite import Selection, cells, load, selected
from lagbench.tracking import Tracking

KEEP = ("recipe.keep=best",)


class Recorder(Watcher):
    def __init__(self):
        self.trained, self.without_weights = [], 0

    def missing_weights(self, count):
        self.without_weights = count

    def finished(self, done):
        self.trained.append(done.cell.cell_id)


def suite_of(tiny, changes=(), architectures=("gru", "rnn"), lengths=(8,)):
    return selected(load(str(tiny), changes), Selection(architectures, ("recall",), lengths))


def ran(suite, out):
    recorder = Recorder()
    run(RunConfig(suite=suite, out=out, executor=Inline(), tracking=Tracking("disabled")), recorder)
    return recorder


def records(out):
    store = Store(out)
    return {record.trial: record for record in store.reported(store.read_run())[0]}


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A run that has kept its weights."""
    from pathlib import Path

    tiny = Path(__file__).parents[1] / "suites" / "tiny.toml"
    suite, out = suite_of(tiny, KEEP), tmp_path_factory.mktemp("kept")
    ran(suite, out)
    return suite, out


@pytest.fixture
def copy(kept, tmp_path):
    shutil.copytree(kept[1], tmp_path / "copy")
    return tmp_path / "copy"


def test_weights_stand_beside_the_trials_that_were_scored_alone(kept):
    _, out = kept
    found = {path.parent.name for path in out.glob("trials/*/weights.safetensors")}
    assert found == {key for key, record in records(out).items() if record.score is not None}
    assert len(found) == 2 * 2
    for key in found:
        weights = load_file(out / "trials" / key / "weights.safetensors")
        assert sum(tensor.numel() for tensor in weights.values()) == records(out)[key].parameters


def test_keeping_weights_decides_no_number(kept, tiny, tmp_path):
    without = suite_of(tiny)
    assert [cell.key for cell in cells(without)] == [cell.key for cell in cells(kept[0])]
    ran(without, tmp_path)
    assert not [*tmp_path.glob("trials/*/weights.safetensors")]
    for key, record in records(tmp_path).items():
        changed = record.model_copy(update=timeless(records(kept[1])[key]))
        assert changed == records(kept[1])[key]


def timeless(record):
    return {"wall_seconds": record.wall_seconds, "recipe": record.recipe}


def test_a_folder_without_weights_is_trained_again_to_keep_them_and_then_no_more(tiny, tmp_path):
    out = tmp_path / "out"
    assert len(ran(suite_of(tiny, architectures=("gru",)), out).trained) == 1
    keeping = suite_of(tiny, KEEP)
    first = ran(keeping, out)
    assert (len(first.trained), first.without_weights) == (2, 1)
    second = ran(keeping, out)
    assert (second.trained, second.without_weights) == ([], 0)
    next(out.glob("trials/*/weights.safetensors")).unlink()
    third = ran(keeping, out)
    assert (len(third.trained), third.without_weights) == (1, 1)


def test_what_is_restore_models_is_what_was_tested(kept):
    _, out = kept
    own = [record for record in records(out).values() if record.architecture == "gru"]
    context, order = restore_models([r for r in own if r.score is not None], Store(out))
    assert [record.seed for record in order] == [0, 1]
    right = (context.answers == context.test.target).double().mean((1, 2))
    assert right.tolist() == [record.accuracy for record in order]
    for row, record in zip(context.replicas.flat, order, strict=True):
        weights = load_file(out / "trials" / record.trial / "weights.safetensors")
        assert torch.equal(row.detach(), torch.cat([t.flatten() for t in named(context, weights)]))


def named(context, weights):
    return [weights[name] for name, _ in context.replicas.models[0].named_parameters()]


@pytest.mark.parametrize("names", [(), ("influence",), ("measures", "extrapolation_2x")])
def test_probing_again_gives_the_same_bits(kept, copy, names):
    done = list(probe(copy, names))
    assert [(cell.architecture, cell.reason) for cell in done] == [("gru", None), ("rnn", None)]
    assert records(copy) == records(kept[1])
    for name in ("probes.csv", "trials.csv", "report.md", "report.html"):
        assert (copy / name).read_bytes() == (kept[1] / name).read_bytes()


def test_probing_writes_what_was_lost_and_touches_nothing_else(kept, copy):
    store = Store(copy)
    bare = {"probes": (), "gradient_half_life": None, "extrapolation_score": 0.123}
    store.write(record.model_copy(update=bare) for record in records(copy).values())
    list(probe(copy, ["gradient_reach"]))
    for key, record in records(copy).items():
        before = records(kept[1])[key]
        own = tuple(value for value in before.probes if value.probe == "gradient_reach")
        assert record.probes == own
        assert record.extrapolation_score == 0.123
        if before.selected:
            assert record.gradient_half_life == before.gradient_half_life


def test_deep_looks_at_more_and_says_so(kept, copy):
    list(probe(copy, ["gradient_reach", "lag_accuracy", "extrapolation_2x"], deep=True))
    for key, record in records(copy).items():
        before = records(kept[1])[key]
        if record.score is None:
            assert record == before
            continue
        assert record.deep_probes == ("lag_accuracy", "gradient_reach", "extrapolation_2x")
        for name in ("gradient_reach", "extrapolation_2x"):
            assert counted(record, name) > counted(before, name)
        assert counted(record, "influence") == counted(before, "influence")
    list(probe(copy))
    assert records(copy) == records(kept[1])


def counted(record, name):
    return sum(value.count for value in record.probes if name.startswith(value.probe))


def test_what_cannot_be_probed_is_a_sentence(kept, copy, tiny, tmp_path):
    with pytest.raises(UserError, match="did you mean 'influence'"):
        list(probe(copy, ["influense"]))
    with pytest.raises(UserError, match="There is no run in"):
        list(probe(tmp_path / "nowhere"))
    victim = next(key for key, r in records(copy).items() if r.architecture == "rnn" and r.score)
    (copy / "trials" / victim / "weights.safetensors").write_bytes(b"torn")
    done = {cell.architecture: cell.reason for cell in probe(copy)}
    assert done["gru"] is None
    assert "weights" in done["rnn"]
    for path in copy.glob("trials/*/weights.safetensors"):
        path.unlink()
    with pytest.raises(UserError, match=r"No weights are kept in .*recipe\.keep=best"):
        list(probe(copy))


def test_a_cell_that_is_not_what_it_was_is_refused(copy, monkeypatch):
    monkeypatch.setattr("lagbench.spec.cell.ENGINE_VERSION", 999)
    for cell in probe(copy):
        assert "has changed since it was trained" in cell.reason


def test_the_command_prints_what_was_found_and_why_nothing_was(kept, copy):
    words = ["probe", str(copy), "--probe", "influence", "--probe", "attention_map"]
    told = CliRunner().invoke(app, words)
    assert told.exit_code == 0
    assert "recall 8 gru: attention_map: it has no attention that it shows" in told.stderr
    found = json.loads(CliRunner().invoke(app, [*words, "--json"]).stdout)
    known = {(r.architecture, r.seed): r for r in records(copy).values() if r.score is not None}
    assert {(row["architecture"], row["seed"]) for row in found} == known.keys()
    for row in found:
        record = known[row["architecture"], row["seed"]]
        assert row["influence_reach"] == record.influence_reach
        assert row["unsupported"] == record.unsupported_probes
