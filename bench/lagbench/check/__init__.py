"""What holds for an architecture or a task, results out and said in words.

The contract tests run them on every registered name, and `lagbench check my_layer.py` on an
author's own file.
"""

from collections.abc import Iterator
from typing import Any

import torch

from lagbench.check import (
    architecture,
    causality,
    configuration,
    inputs,
    order,
    predictions,
    replica,
    streams,
    task,
)
from lagbench.check.results import Check, CheckResult, NotApplicable, judge
from lagbench.contract import Architecture, Task
from lagbench.registry import Named

__all__ = [
    "AT_A_LENGTH",
    "OF_A_CORE",
    "OF_A_TASK",
    "OF_A_VALUE",
    "Check",
    "CheckResult",
    "NotApplicable",
    "judge",
    "run_checks",
]

OF_A_VALUE: tuple[Check, ...] = (configuration.configuration, configuration.documented)
"""Checks of a configured architecture or task."""

OF_A_CORE: tuple[Check, ...] = (
    architecture.shape,
    architecture.widths,
    architecture.one_step,
    architecture.max_length,
    architecture.determinism,
    architecture.padding,
    architecture.batch,
    architecture.reach,
    architecture.gradients,
    order.causality,
    order.extension,
    order.state,
    architecture.training_mode,
    replica.vmap_training,
    replica.vmap_evaluation,
    replica.forward_with_embedding,
)
"""Checks of a configured architecture and a signature to build it for."""

OF_A_TASK: tuple[Check, ...] = (task.lengths,)
"""Checks of a configured task."""

AT_A_LENGTH: tuple[Check, ...] = (
    task.signature,
    task.batch,
    task.padding,
    streams.determinism,
    streams.splits,
    predictions.oracle,
    predictions.optimum,
    predictions.chance,
    causality.causality,
    causality.lag,
)
"""Checks of a configured task and a length."""


def run_checks(named: Named[Architecture] | Named[Task]) -> list[CheckResult]:
    """Every check of a configured architecture or task; never raises for a fault in it."""
    value = named.value
    with torch.random.fork_rng(devices=[]):
        results = [judge(check, [("", (value,))]) for check in OF_A_VALUE]
        if isinstance(value, Architecture):
            results.extend(judge(check, _cores(value)) for check in OF_A_CORE)
        else:
            results.extend(judge(check, [("", (value,))]) for check in OF_A_TASK)
            results.extend(judge(check, _lengths(value)) for check in AT_A_LENGTH)
    return results


def _cores(value: Architecture) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """The signatures to check with: drawn up late, since a property of the author's may raise."""
    stated = inputs.signatures(value)
    for signature in stated:
        yield f"reading {signature.source}" if len(stated) > 1 else "", (value, signature)


def _lengths(value: Task) -> Iterator[tuple[str, tuple[Any, ...]]]:
    for length in value.lengths[:2]:
        yield f"at length {length}", (value, length)
