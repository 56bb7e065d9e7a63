"""A replica trains as the same trial does alone: with torch's own optimiser, in a plain loop."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from lagbench.contract import Batch
from lagbench.data.streams import select, stack, training_batches
from lagbench.model.assembly import Model, assemble
from lagbench.record import Execution
from lagbench.train.cell import Job
from lagbench.train.execution import choose_execution
from lagbench.train.objective import loss
from lagbench.train.optimiser import ReplicaAdamW
from lagbench.train.replicas import keep_scored_steps, replicate

STEPS = 50
CPU = torch.device("cpu")
ARCHITECTURES = ("rnn", "lstm", "gru", "transformer")


def initialised(job: Job, seed: int, dtype: torch.dtype) -> Model:
    torch.manual_seed(seed)
    return assemble(job.plan, job.width).to(dtype)


def batches(job: Job) -> list[Batch]:
    streams = [training_batches(job.task, job.length, seed, 4) for seed in job.seeds]
    return [stack([next(stream) for stream in streams]) for _ in range(STEPS)]


def losses_alone(job: Job, dtype: torch.dtype) -> Tensor:
    """Each trial in a plain PyTorch loop: `(steps, R)`."""
    columns = []
    for seed, rate in job.pairs:
        model = initialised(job, seed, dtype)
        optimiser = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.01)
        losses = []
        for pair in batches(job):
            batch = select(pair, job.seeds.index(seed))
            optimiser.zero_grad()
            value = loss(
                model(batch.source, batch.source_mask, batch.target),
                batch.target,
                batch.target_mask,
                job.plan.signature.target,
            )
            value.backward()  # type: ignore[no-untyped-call]
            clip_grad_norm_(model.parameters(), 0.5)
            optimiser.step()
            losses.append(value.detach())
        columns.append(torch.stack(losses))
    return torch.stack(columns, dim=1)


def losses_together(job: Job, execution: Execution, dtype: torch.dtype) -> Tensor:
    replicas = replicate([initialised(job, seed, dtype) for seed, _ in job.pairs], execution, CPU)
    rates = torch.tensor([rate for _, rate in job.pairs], dtype=dtype)
    optimiser = ReplicaAdamW(replicas.flat, rates, (0.9, 0.999), weight_decay=0.01, clip=0.5)
    rows = torch.tensor([job.seeds.index(seed) for seed, _ in job.pairs])
    together = []
    for pair in batches(job):
        together.append(replicas.backward(pair, rows))
        optimiser.step()
    return torch.stack(together)


@pytest.mark.parametrize("execution", Execution)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_double_precision(job: Callable[..., Job], architecture: str, execution: Execution) -> None:
    small = job(architecture)
    expected = losses_alone(small, torch.float64)
    torch.testing.assert_close(
        losses_together(small, execution, torch.float64), expected, rtol=0, atol=1e-12
    )


@pytest.mark.parametrize("execution", Execution)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_single_precision(job: Callable[..., Job], architecture: str, execution: Execution) -> None:
    small = job(architecture, rates=(1e-3,))
    expected = losses_alone(small, torch.float32)
    torch.testing.assert_close(
        losses_together(small, execution, torch.float32), expected, rtol=0, atol=1e-6
    )


@pytest.mark.parametrize("execution", Execution)
@pytest.mark.parametrize("task", ["associative_recall:pairs=3,vocabulary=12", "disambiguation"])
def test_steps_that_nobody_asks_for_cost_nothing_and_change_nothing(
    job: Callable[..., Job], execution: Execution, task: str
) -> None:
    small = job("gru", task, length=16)
    batch, steps = keep_scored_steps(batches(small)[0], initialised(small, 0, torch.float64))
    assert batch.target.shape[-1] == steps[0].shape[-1] <= 16 // 2
    expected = losses_alone(small, torch.float64)
    torch.testing.assert_close(
        losses_together(small, execution, torch.float64), expected, rtol=0, atol=1e-12
    )


def test_examples_may_have_other_numbers_of_counted_steps(job: Callable[..., Job]) -> None:
    small = job("gru", "associative_recall:pairs=3,vocabulary=12", length=16)
    model = initialised(small, 0, torch.float64)
    batch_of_all = select(batches(small)[0], 0)
    assert batch_of_all.target_mask is not None
    mask = torch.zeros_like(batch_of_all.target_mask)
    mask[0, [2, 5, 11]] = True
    mask[1, 15] = True  # and two examples have none
    batch_of_all = replace(batch_of_all, target_mask=mask)
    batch, steps = keep_scored_steps(batch_of_all, model)
    assert steps[0].shape == (4, 3)
    result = model(batch.source, batch.source_mask, batch.target, *steps)
    every = model(batch_of_all.source, batch_of_all.source_mask, batch_of_all.target)
    space = small.plan.signature.target
    torch.testing.assert_close(
        loss(result, batch.target, batch.target_mask, space),
        loss(every, batch_of_all.target, batch_of_all.target_mask, space),
    )


@pytest.mark.parametrize("task", ["running_parity", "copy", "recall"])
def test_where_all_count_nothing_is_picked(job: Callable[..., Job], task: str) -> None:
    small = job("gru", task, length=8)
    batch_of_all = select(batches(small)[0], 0)
    assert keep_scored_steps(batch_of_all, initialised(small, 0, torch.float64)) == (
        batch_of_all,
        (),
    )


@pytest.mark.parametrize("execution", Execution)
def test_written_answers_train_too(job: Callable[..., Job], execution: Execution) -> None:
    small = job("gru", "copy", length=4)
    expected = losses_alone(small, torch.float64)
    torch.testing.assert_close(
        losses_together(small, execution, torch.float64), expected, rtol=0, atol=1e-12
    )


@pytest.mark.parametrize("execution", Execution)
@pytest.mark.parametrize("task", ["recall", "copy"])
def test_predictions_are_the_models_own(
    job: Callable[..., Job], execution: Execution, task: str
) -> None:
    small = job("gru", task, length=6)
    models = [initialised(small, seed, torch.float64) for seed, _ in small.pairs]
    batch = select(batches(small)[0], 0)
    for forced in (True, False):
        target = batch.target if forced else None
        with torch.no_grad():
            expected = [model(batch.source, batch.source_mask, target) for model in models]
        together = replicate(
            [initialised(small, seed, torch.float64) for seed, _ in small.pairs], execution, CPU
        )
        torch.testing.assert_close(together.predict(batch, forced), torch.stack(expected))


@pytest.mark.parametrize("execution", Execution)
@pytest.mark.parametrize(
    ("architecture", "task"),
    [
        ("lstm", "moving_digit"),
        ("conv_lstm", "moving_digit"),
        ("cnn_lstm", "frame_labels"),
        ("lstm", "captcha"),
        ("seq2seq", "captcha"),
    ],
)
def test_frames_in_half_precision_are_read_in_single_precision(
    job: Callable[..., Job], execution: Execution, architecture: str, task: str
) -> None:
    small = job(architecture, task, length=4)
    drawn = next(training_batches(small.task, small.length, 0, 4))
    assert drawn.source.dtype is torch.float16
    single = batches(small)[0]  # a stack is a copy anyway
    assert torch.equal(single.source[0], drawn.source.float())
    half = replace(single, source=single.source.half())
    replicas = replicate(
        [initialised(small, seed, torch.float32) for seed, _ in small.pairs], execution, CPU
    )
    for forced in (True, False):
        result, expected = (replicas.predict(select(part, 0), forced) for part in (half, single))
        assert result.dtype is torch.float32
        assert torch.equal(result, expected)
    rows = torch.tensor([small.seeds.index(seed) for seed, _ in small.pairs])
    replicas.backward(half, rows)
    from_half = replicas.flat.grad
    replicas.backward(single, rows)
    from_single = replicas.flat.grad
    assert from_half is not None
    assert from_single is not None
    assert from_half.any()
    assert from_half is not from_single
    assert torch.equal(from_half, from_single)


@pytest.mark.parametrize("execution", Execution)
def test_restricted_replicas_have_weights_of_their_own(
    job: Callable[..., Job], execution: Execution
) -> None:
    small = job("gru")
    replicas = replicate(
        [initialised(small, seed, torch.float32) for seed, _ in small.pairs], execution, CPU
    )
    batch = select(batches(small)[0], 0)
    before = replicas.predict(batch, teacher_forced=True)
    chosen = replicas.select([3, 1], replicas.flat.detach())
    with torch.no_grad():
        replicas.flat.zero_()
    torch.testing.assert_close(chosen.predict(batch, teacher_forced=True), before[[3, 1]])


def test_a_lone_replica_needs_no_stack(job: Callable[..., Job]) -> None:
    assert choose_execution(job("gru").plan, 8, 1, 4, CPU)[0] is Execution.LOOP


@pytest.mark.parametrize("name", ["rnn", "gru", "lstm"])
@pytest.mark.parametrize("compiled", [True, False])
def test_the_rule_counts_steps_and_asks_who_runs_them(
    job: Callable[..., Job], name: str, compiled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lagbench.layers.recurrent.available", lambda: compiled)
    plan = job(name).plan
    steps = max(plan.signature.steps, plan.signature.target_steps)
    assert choose_execution(plan, 8, 3, 1, CPU)[0] is Execution.VMAP
    many, _ = choose_execution(plan, 8, 3, 8192 // steps + 1, CPU)
    assert many is (Execution.LOOP if compiled or name == "lstm" else Execution.VMAP)
