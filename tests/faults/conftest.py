"""The plugin that does what it should not, known for one test."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lagbench import registry


@pytest.fixture
def odd() -> Iterator[Path]:
    """The path of the plugin, which this process knows and then forgets."""
    path = Path(__file__).with_name("odd.py")
    registry.discover([path])
    yield path
    for name in [name for name in sys.modules if name.startswith("lagbench_plugin_")]:
        del sys.modules[name]
