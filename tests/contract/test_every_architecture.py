"""Every registered architecture keeps the contract; registering a name enrols it here."""

import pytest

from lagbench import registry
from lagbench.check import OF_A_CORE, OF_A_VALUE, Check, NotApplicable
from lagbench.check.inputs import signatures
from lagbench.contract import Cost


@pytest.mark.parametrize("check", OF_A_CORE, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", registry.architectures())
def test_core(name: str, check: Check) -> None:
    architecture = registry.architectures()[name]
    built_for = signatures(architecture)
    assert built_for
    measured = [check(architecture, signature) for signature in built_for]
    if all(isinstance(detail, NotApplicable) for detail in measured):
        pytest.skip(measured[0])


@pytest.mark.parametrize("check", OF_A_VALUE, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", registry.architectures())
def test_configuration(name: str, check: Check) -> None:
    check(registry.architectures()[name])


@pytest.mark.parametrize("name", registry.architectures())
def test_cost(name: str) -> None:
    """Ours all say what they cost in the length; an author's own need not."""
    stated = registry.architectures()[name].cost
    orders = {"1", "log T", "T", "T log T", "T²"}
    assert isinstance(stated, Cost)
    assert {stated.compute, stated.path, stated.sequential} <= orders
