"""What holds for an architecture or a task, found out and said in words.

The contract tests run these checks on every registered name, and `lagbench check my_layer.py` on
an author's own: what they mean by "an architecture" and "a task" is the same.
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
from lagbench.check.verdict import Check, Finding, NotAsked, judge
from lagbench.contract import Architecture, Task
from lagbench.registry import Named

__all__ = [
    "AT_A_LENGTH",
    "OF_A_CORE",
    "OF_A_TASK",
    "OF_A_VALUE",
    "Check",
    "Finding",
    "NotAsked",
    "findings",
    "judge",
]

OF_A_VALUE: tuple[Check, ...] = (configuration.configuration, configuration.documented)
"""Checks of a configured architecture or task."""

OF_A_CORE: tuple[Check, ...] = (
    architecture.shape,
    architecture.widths,
    architecture.one_step,
    architecture.longest,
    architecture.determinism,
    architecture.padding,
    architecture.batch,
    architecture.reach,
    architecture.gradients,
    order.causality,
    order.extension,
    order.state,
    replica.stacked,
    replica.stacked_evaluation,
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


def findings(named: Named[Architecture] | Named[Task]) -> list[Finding]:
    """Every check of a configured architecture or task; never raises for a fault in it."""
    value = named.value
    with torch.random.fork_rng(devices=[]):
        found = [judge(check, [("", (value,))]) for check in OF_A_VALUE]
        if isinstance(value, Architecture):
            found.extend(judge(check, _cores(value)) for check in OF_A_CORE)
        else:
            found.extend(judge(check, [("", (value,))]) for check in OF_A_TASK)
            found.extend(judge(check, _lengths(value)) for check in AT_A_LENGTH)
    return found


def _cores(value: Architecture) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """The signatures to check with: drawn up late, since a property of the author's may raise."""
    stated = inputs.signatures(value)
    for signature in stated:
        yield f"reading {signature.source}" if len(stated) > 1 else "", (value, signature)


def _lengths(value: Task) -> Iterator[tuple[str, tuple[Any, ...]]]:
    for length in value.lengths[:2]:
        yield f"at length {length}", (value, length)
