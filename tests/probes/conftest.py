"""What probes are tried on: nothing is trained."""

from collections.abc import Callable

import pytest

from lagbench import registry
from lagbench.probes.context import ProbeContext
from lagbench.registry import Named
from tests.probes.wired import SYMBOLS, Delayed, LinearRecurrence, LookBack, sharp, subject_of


@pytest.fixture
def linear() -> Callable[..., ProbeContext]:
    """`linear(((0.9,),), 101)`: a linear recurrence on the adding task."""

    def make(factor, length=101):
        return subject_of(LinearRecurrence(factor), registry.task("adding"), length, len(factor))

    return make


@pytest.fixture
def delayed() -> Callable[..., ProbeContext]:
    """A model that answers with the symbol that stood some steps before."""

    def make(architecture=None, task=None, length=20):
        architecture, task = architecture or Delayed(), task or LookBack()
        named = Named("look_back", task)
        return subject_of(architecture, named, length, SYMBOLS, sharp, (0, 1), 8)

    return make


@pytest.fixture
def untrained() -> Callable[..., ProbeContext]:
    """`untrained("gru", "recall", 12)`, as it was initialised."""

    def make(architecture, task, length, width=4, seeds=(0, 1), examples=16):
        named = registry.task(task)
        return subject_of(
            registry.architecture(architecture).value,
            named,
            length,
            width,
            seeds=seeds,
            examples=examples,
        )

    return make
