"""The package in `examples/`: its files hold the contract, and its entry points name them."""

import tomllib
from pathlib import Path

import pytest

from lagbench import registry
from lagbench.check import run_checks

PACKAGE = Path(__file__).parents[1] / "examples" / "lagbench-echo"
ENTRY_POINTS = tomllib.loads((PACKAGE / "pyproject.toml").read_text())["project"]["entry-points"]
FILES = [
    (name, PACKAGE / "src" / f"{module.replace('.', '/')}.py")
    for points in ENTRY_POINTS.values()
    for name, module in points.items()
]


@pytest.mark.parametrize(("name", "path"), FILES, ids=[name for name, _ in FILES])
def test_what_an_entry_point_names_holds_all_that_is_asked(name, path):
    before = {*registry.architectures(), *registry.tasks()}
    registry.discover([path])
    assert {*registry.architectures(), *registry.tasks()} - before == {name}
    named = registry.task(name) if name in registry.tasks() else registry.architecture(name)
    assert [finding for finding in run_checks(named) if not finding.holds] == []


def test_both_kinds_are_shown():
    assert list(ENTRY_POINTS) == ["lagbench.architectures", "lagbench.tasks"]
