"""Every registered task keeps the contract; registering a name enrols it here."""

from functools import cache

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lagbench import registry
from lagbench.check import AT_A_LENGTH, OF_A_TASK, OF_A_VALUE, Check, NotApplicable
from lagbench.check.task import conforms, possible
from lagbench.contract import Metric, Split


@pytest.mark.parametrize("check", AT_A_LENGTH, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", registry.tasks())
def test_length(name: str, check: Check) -> None:
    task = registry.tasks()[name]
    measured = [check(task, length) for length in task.lengths[:2]]
    if all(isinstance(detail, NotApplicable) for detail in measured):
        pytest.skip(measured[0])


@pytest.mark.parametrize("check", OF_A_VALUE + OF_A_TASK, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", registry.tasks())
def test_configuration(name: str, check: Check) -> None:
    check(registry.tasks()[name])


@pytest.mark.parametrize("name", registry.tasks())
@given(data=st.data())
def test_any_batch(name: str, data: st.DataObject) -> None:
    """At any possible length, any number of examples conforms and is solved by the oracle."""
    task = registry.tasks()[name]
    length = data.draw(st.sampled_from(_possible_lengths(name)), label="length")
    count = data.draw(st.integers(1, 6), label="count")
    seed = data.draw(st.integers(0, 2**63 - 1), label="seed")
    split = data.draw(st.sampled_from(Split), label="split")
    batch = task.sample(length, count, torch.Generator().manual_seed(seed), split)
    conforms(batch, task.signature(length), count)
    answers = task.oracle(length, batch.source, batch.source_mask)
    reached = task.metric(answers, batch.target, batch.target_mask)
    if task.metric is Metric.ACCURACY and task.optimum(length) == 1:
        assert reached == 1
    if task.metric is Metric.MSE and task.optimum(length) == 0:
        assert reached <= 1e-9 * task.chance(length)


@cache
def _possible_lengths(name: str) -> list[int]:
    """Those up to twice the shortest usual one."""
    task = registry.tasks()[name]
    return [length for length in range(1, 2 * task.lengths[0] + 1) if possible(task, length)]
