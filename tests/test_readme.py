"""The README's files, as written, are a whole architecture and a whole task."""

import re
from pathlib import Path

import pytest

from lagbench import registry
from lagbench.check import run_checks

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r'```python\n("""(\w+\.py):.*?)```', README, flags=re.DOTALL)


@pytest.mark.parametrize(("text", "name"), BLOCKS, ids=[name for _, name in BLOCKS])
def test_the_shown_file_holds_all_that_is_asked(text, name, tmp_path):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    before = {*registry.architectures(), *registry.tasks()}
    registry.discover([path])
    (new,) = {*registry.architectures(), *registry.tasks()} - before
    named = registry.architecture(new) if new in registry.architectures() else registry.task(new)
    assert [finding for finding in run_checks(named) if not finding.holds] == []


def test_there_is_one_of_each():
    assert [name for _, name in BLOCKS] == ["my_layer.py", "my_task.py"]
