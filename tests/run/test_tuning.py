"""Tuning on seeds of their own: what chose the rate is not reported, what is reported is fresh."""

from dataclasses import replace

import pytest

from lagbench.contract import Split, UserError
from lagbench.record import Status
from lagbench.report.tables import derive
from lagbench.run.cell import make_job, run_cell
from lagbench.run.config import RunConfig, WorkerConfig
from lagbench.run.estimate import estimate_cells
from lagbench.run.executors.local import Inline
from lagbench.run.probing import probe
from lagbench.run.runner import Watcher, run
from lagbench.run.store import Store
from lagbench.spec.suite import Selection, cells, load, selected
from lagbench.tracking import Tracking
from lagbench.train.cell import Job, train

TUNED = ("tuning_seeds=2", "seeds=3", "recipe.keep=best")
SETTING = WorkerConfig("tiny")


def cell_of(tiny, *changes):
    chosen = Selection(("gru",), ("recall",), (8,))
    (cell,) = cells(selected(load(str(tiny), [*TUNED, *changes]), chosen))
    return cell


@pytest.fixture
def cell(tiny):
    return cell_of(tiny)


def test_the_rate_is_what_the_seeds_for_tuning_choose_and_fresh_ones_are_tested(cell):
    records = run_cell(cell, SETTING)
    tuning = [record for record in records if record.tuning]
    fresh = [record for record in records if not record.tuning]
    assert [(r.seed, r.learning_rate) for r in tuning] == [
        (1000, 1e-3), (1000, 1e-2), (1001, 1e-3), (1001, 1e-2),
    ]  # fmt: skip
    means = {
        rate: sum(r.validation_score for r in tuning if r.learning_rate == rate)
        for rate in cell.rates
    }
    best = max(means, key=means.__getitem__)
    assert [(r.seed, r.learning_rate) for r in fresh] == [(0, best), (1, best), (2, best)]
    assert all(r.selected and r.score is not None and r.probes for r in fresh)
    assert not any(r.selected or r.probes or r.unsupported_probes for r in tuning)
    assert {r.score for r in tuning} == {r.test_metric for r in tuning} == {None}
    assert [r.trial for r in records] == [cell.trial_key(*pair) for pair in cell.pairs]


def test_both_stages_are_those_of_training_apart(cell):
    records = run_cell(cell, SETTING)
    job = make_job(cell)
    assert isinstance(job, Job)
    tuned = train(replace(job, seeds=cell.tuning_seeds))
    fresh = train(replace(job, rates=(tuned.rate,)))
    assert [list(record.curve) for record in records] == [*tuned.curves, *fresh.curves]


def test_test_is_drawn_once_and_after_all_training(cell, monkeypatch):
    seen = []
    split, training = Job.split, train
    monkeypatch.setattr(Job, "split", lambda job, which, cache: (
        seen.append(which), split(job, which, cache))[1])  # fmt: skip
    monkeypatch.setattr("lagbench.run.cell.train", lambda *given, **named: (
        seen.append("train"), training(*given, **named))[1])  # fmt: skip
    run_cell(cell, SETTING)
    assert seen == ["train", Split.VALIDATION, "train", Split.VALIDATION, Split.TEST]


def test_points_are_told_for_every_trial_at_its_place(cell):
    told = {}
    records = run_cell(cell, SETTING, lambda points: [
        told.setdefault(trial, []).append(point) for trial, point in points.items()
    ])  # fmt: skip
    assert {trial: tuple(points) for trial, points in told.items()} == {
        trial: record.curve for trial, record in enumerate(records)
    }


def test_what_is_refused_is_refused_for_every_trial(tiny):
    records = run_cell(cell_of(tiny, "budget={flops=3}"), SETTING)
    assert {record.status for record in records} == {Status.UNSUPPORTED}
    assert [record.tuning for record in records] == [True] * 4 + [False] * 3
    assert [record.learning_rate for record in records[4:]] == [None] * 3
    tables = derive(records, [])
    assert tables.summary["unsupported"].tolist() == [7]
    assert len(tables.unsupported) == 1


def test_without_seeds_for_tuning_the_reported_seeds_choose(tiny):
    own = cell_of(tiny, "tuning_seeds=0")
    assert own.tuning_seeds == ()
    assert own.pairs == [(seed, rate) for seed in (0, 1, 2) for rate in (1e-3, 1e-2)]
    assert own.key != cell_of(tiny).key


def test_how_much_is_done_counts_every_trial_alike(cell):
    steps = cell.recipe.steps
    assert cell.share(0, steps // 2) == 2 / 7
    assert cell.share(3, steps) == cell.share(4, 0) == 4 / 7
    assert cell.share(6, steps) == 1
    whole = replace(cell, tuning_seeds=())
    assert (whole.share(0, 0), whole.share(5, steps)) == (0, 1)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("tuning_seeds=[2, 7]", "seed 2 is for tuning, so it cannot be reported, too"),
        ("learning_rates=[0.1]", "there is one learning rate, and so nothing for tuning_seeds"),
        ("tuning_seeds=[7, 7]", "tuning_seeds: 7 stands twice"),
        ("tuning_seeds=-1", "tuning_seeds"),
    ],
)
def test_tuning_that_makes_no_sense_is_one_sentence(tiny, change, said):
    with pytest.raises(UserError, match=said):
        load(str(tiny), [*TUNED, change])


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    from pathlib import Path

    tiny = Path(__file__).parents[1] / "suites" / "tiny.toml"
    chosen = Selection(("gru", "rnn"), ("recall",), (8,))
    suite, out = selected(load(str(tiny), TUNED), chosen), tmp_path_factory.mktemp("tuned")
    order = RunConfig(suite=suite, out=out, executor=Inline(), tracking=Tracking("disabled"))
    run(order, Watcher())
    return order


def records(order):
    store = Store(order.out)
    return store.reported(store.read_run())[0]


def test_tables_are_of_fresh_seeds_and_windows_of_those_for_tuning(finished):
    tables = derive(records(finished), [])
    assert len(tables.trials) == 2 * (2 * 2 + 3)
    assert set(tables.summary["seeds"]) == {3}
    assert set(tables.comparisons["seeds"]) == {3}
    assert set(tables.lr_windows["rates"]) == {2}
    chosen = tables.trials[tables.trials["tuning"]]
    means = chosen.groupby(["architecture", "learning_rate"])["validation_score"].mean()
    best = means.groupby("architecture").max()
    assert tables.lr_windows.set_index("architecture")["best"].to_dict() == pytest.approx(
        best.to_dict()
    )


def test_a_second_run_trains_nothing(finished):
    class Counter(Watcher):
        def planned(self, missing, present):
            self.counts = len(missing), len(present)

    counter = Counter()
    run(finished, counter)
    assert counter.counts == (0, 2)


def test_kept_weights_are_of_fresh_seeds_and_probed_to_the_same_bits(finished):
    before = {record.trial: record for record in records(finished)}
    kept = {path.parent.name for path in finished.out.glob("trials/*/weights.safetensors")}
    assert kept == {key for key, record in before.items() if not record.tuning}
    assert [probing.reason for probing in probe(finished.out)] == [None, None]
    assert {record.trial: record for record in records(finished)} == before


def test_a_plan_knows_both_stages(cell, tmp_path):
    (found,) = estimate_cells([cell], Store(tmp_path))
    assert found.trials == 7
    assert found.seconds > 0
