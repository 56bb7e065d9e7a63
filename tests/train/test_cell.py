"""Training a whole cell through Lightning."""

import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from lagbench.contract import Split
from lagbench.record import Execution, Point
from lagbench.train.cell import Job, Trained, select_rate, train
from lagbench.train.evaluation import evaluate
from lagbench.train.module import StepGroups
from tests import factories


def weights(trained: Trained) -> Tensor:
    return trained.winners.flat.detach()


@pytest.mark.parametrize("execution", Execution)
def test_the_chunk_size_changes_no_bit(job: Callable[..., Job], execution: Execution) -> None:
    small = job("gru", steps=25, evaluate_every=10)
    runs = [train(small, execution=execution, group_size=size) for size in (1, 3, 10, 64)]
    for other in runs[1:]:
        assert other.curves == runs[0].curves
        assert torch.equal(weights(other), weights(runs[0]))


def test_the_same_job_twice_gives_the_same_numbers(job: Callable[..., Job], tmp_path: Path) -> None:
    small = job("transformer")
    first, second = train(small), train(small, cache=tmp_path)
    assert first.curves == second.curves
    assert torch.equal(weights(first), weights(second))


def test_every_evaluation_happens_and_the_last_one_too(job: Callable[..., Job]) -> None:
    trained = train(job("gru", steps=25, evaluate_every=10))
    assert [point.step for point in trained.curves[0]] == [10, 20, 25]
    assert [point.examples for point in trained.curves[0]] == [40, 80, 100]


@pytest.mark.parametrize(("steps", "every", "size"), [(25, 10, 4), (5, 10, 32), (64, 64, 1)])
def test_chunks_add_up_and_periods_have_equally_many(
    job: Callable[..., Job], steps: int, every: int, size: int
) -> None:
    small = job("gru", steps=steps, evaluate_every=every)
    groups = StepGroups(small.task, small.length, small.seeds, small.recipe, size)
    sizes = list(groups.sizes())
    assert sum(sizes) == steps
    assert len(sizes) == len(groups) == len(list(groups))
    assert max(sizes) <= size
    ends = {sum(sizes[: i * groups.per_period]) for i in range(1, groups.periods + 1)}
    assert ends == {min(steps, every * i) for i in range(1, groups.periods + 1)}


def test_training_stops_when_a_rate_has_solved_it_with_every_seed(job: Callable[..., Job]) -> None:
    solved = job(
        "gru", length=4, width=32, rates=(1e-6, 1e-2), steps=2000, batch_size=32,
        evaluate_every=50, validation_examples=64, stop="solved",
    )  # fmt: skip
    trained = train(solved)
    last = trained.curves[0][-1].step
    assert last < 2000
    assert trained.rate == 1e-2
    best = [max(p.validation_score for p in trained.curves[i]) for i in trained.selected]
    assert all(score >= 0.99 for score in best)
    reached, _ = evaluate(trained.winners, solved.split(Split.TEST, None), solved.scale.metric)
    assert reached.metric.min() > 0.9


def test_a_replica_that_diverges_leaves_the_others_alone(job: Callable[..., Job]) -> None:
    calm = job("rnn", task="adding", rates=(1e-3,), clip=None)
    wild = replace(calm, rates=(1e-3, 1e30))
    for execution in Execution:
        calm_only, beside = train(calm, execution=execution), train(wild, execution=execution)
        assert beside.finite == [True, False, True, False]
        assert beside.rate == 1e-3
        assert [beside.curves[i][-1].validation_loss for i in (0, 2)] == pytest.approx(
            [curve[-1].validation_loss for curve in calm_only.curves], rel=1e-5
        )


def test_a_diverged_winner_is_scored_with_its_last_good_weights(job: Callable[..., Job]) -> None:
    small = job("rnn", task="adding", rates=(1e30,), clip=None)
    trained = train(small)
    assert trained.finite == [False, False]
    assert trained.selected == [0, 1]
    assert weights(trained).isfinite().all()


@pytest.mark.parametrize("execution", Execution)
def test_a_rate_that_falls_behind_is_dropped_and_the_others_do_not_notice(
    job: Callable[..., Job], execution: Execution
) -> None:
    small = job(
        "gru", length=4, width=32, rates=(1e-6, 1e-2), steps=400, batch_size=32,
        evaluate_every=50, validation_examples=64,
    )  # fmt: skip
    dropped = train(
        replace(small, recipe=small.recipe.model_copy(update={"drop_behind": 0.2})),
        execution=execution,
    )
    complete = train(small, execution=execution)
    assert [curve[-1].step for curve in dropped.curves] == [100, 400, 100, 400]
    assert dropped.steps == 400
    assert dropped.rate == 1e-2
    for i in range(4):
        losses = [point.validation_loss for point in dropped.curves[i]]
        expected = [point.validation_loss for point in complete.curves[i]][: len(losses)]
        assert losses == pytest.approx(expected, rel=1e-3, abs=1e-5)
    assert dropped.curves[0] == complete.curves[0][:2]


def point(score: float) -> Point:
    return factories.point(validation_score=score)


def test_the_rate_is_the_best_on_average_over_seeds() -> None:
    pairs = [(0, 0.1), (0, 0.2), (1, 0.1), (1, 0.2)]
    curves = [[point(0.9), point(0.1)], [point(0.8)], [point(0.2)], [point(0.5)]]
    assert select_rate(pairs, curves, [True] * 4) == 0.2
    assert select_rate(pairs, curves, [True, True, True, False]) == 0.1
    assert select_rate(pairs, [[point(0.5)]] * 4, [True] * 4) == 0.1


def test_lightning_is_silent(job: Callable[..., Job], capfd: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        train(job("gru"))
    printed = capfd.readouterr()
    assert printed.out == ""
    assert printed.err == ""
