"""How prices grow, from times that are made up: what is fitted, what is left out, what is read."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from scipy import stats

from lagbench import registry
from lagbench.contract import UserError
from lagbench.cost.scaling import LENGTHS, TASKS, Case, cases, exponents, fit
from lagbench.record import Throughput
from lagbench.spec.pairing import Unsupported
from tests.factories import throughput


def timed(
    length: int,
    seconds: float,
    architecture: str = "gru",
    task: str = "recall",
    cores: float = 0.0,
) -> Throughput:
    """A batch of 4 that takes so many seconds to train on, and half of that to read."""
    return throughput(
        architecture=architecture,
        task=task,
        length=length,
        batch=4,
        tokens_per_example=length + 8,
        train_tokens_per_second=4 * (length + 8) / seconds,
        inference_tokens_per_second=8 * (length + 8) / seconds,
        other_cores=cores,
    )


def power(order: float, lengths: Sequence[int] = LENGTHS, **options: Any) -> list[Throughput]:
    return [timed(length, 1e-6 * (length + 8) ** order, **options) for length in lengths]


def chosen(architecture: str, lengths: Sequence[int], width: int = 8) -> list[Case]:
    tasks = [registry.task(name) for name in TASKS]
    return cases([registry.architecture(architecture)], tasks, lengths, width, 2)


@pytest.mark.parametrize("order", [1.0, 1.5, 2.0])
def test_an_exact_power_is_found_without_doubt(order: float) -> None:
    training, inference = exponents(power(order), {"gru": "T"})
    for exponent in (training, inference):
        assert exponent.exponent == pytest.approx(order, abs=1e-9)
        assert exponent.high - exponent.low < 1e-6
        assert (exponent.architecture, exponent.task, exponent.order) == ("gru", "recall", "T")
        assert exponent.lengths == 5  # 256 to 4096
    assert (training.work, inference.work) == ("training", "inference")


def test_short_lengths_and_cells_beside_others_do_not_count() -> None:
    right = power(1.0, [256, 512, 1024])
    wrong = [timed(16, 1e3), timed(2048, 1e3, cores=0.9), timed(4096, 1e-9, cores=2.0)]
    assert exponents([*right, *wrong], {}) == exponents(right, {})
    assert exponents([*right[:2], *wrong], {}) == []


def test_architectures_and_tasks_are_fitted_apart() -> None:
    mixed = [
        timing
        for pair in zip(
            power(1.0, architecture="gru"), power(2.0, architecture="lstm", task="copy"),
            strict=True,
        )
        for timing in pair
    ]  # fmt: skip
    exponent = {
        (timing.architecture, timing.task): timing for timing in exponents(mixed, {"lstm": "T²"})
    }
    assert exponent["gru", "recall"].exponent == pytest.approx(1)
    assert exponent["gru", "recall"].order is None
    assert exponent["lstm", "copy"].exponent == pytest.approx(2)
    assert exponent["lstm", "copy"].order == "T²"


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    chance, steps = np.random.default_rng(0), [256, 512, 1024, 2048, 4096]
    held = 0
    for _ in range(1000):
        noise = np.exp(0.1 * chance.standard_normal(5))
        _, low, high = fit(steps, (3e-6 * np.array(steps) ** 1.3 * noise).tolist())
        held += low <= 1.3 <= high
    assert stats.binomtest(held, 1000, 0.95).pvalue > 1e-3


def test_each_is_measured_on_the_first_task_that_it_can_run() -> None:
    assert {case.task.name for case in chosen("gru", [16, 32])} == {"selective_copy"}
    (bidirectional,) = chosen("bilstm", [16])
    assert bidirectional.task.name == "recall"
    assert not isinstance(bidirectional.job, Unsupported)


def test_lengths_come_in_order_and_once() -> None:
    assert [case.length for case in chosen("gru", [64, 16, 64])] == [16, 64]


def test_what_cannot_be_measured_has_a_reason() -> None:
    (frames,) = chosen("conv_lstm", [16])
    assert isinstance(frames.job, Unsupported)
    assert "reads frames" in frames.job.reason
    (odd,) = chosen("transformer_causal", [16], width=7)
    assert isinstance(odd.job, Unsupported)
    assert "multiple" in odd.job.reason


def test_an_impossible_length_is_refused() -> None:
    with pytest.raises(UserError, match="not 0"):
        chosen("gru", [0])
