"""The docstrings of every built-in architecture and task follow one template each."""

import dataclasses
import inspect
import re

import pytest

from lagbench import registry
from lagbench.contract import Architecture, Task

TASK_SECTIONS = ["Data:", "Length:", "Lag:", "Chance:", "Source:", "Attributes:"]
OPTIONAL = {"Chance:", "Attributes:"}
CLASSES = list(
    dict.fromkeys(map(type, [*registry.architectures().values(), *registry.tasks().values()]))
)


def attributes(doc: str) -> set[str]:
    """The names that the section `Attributes:` explains."""
    entries = re.findall(r"^    (\w+(?:, \w+)*): ", doc.partition("Attributes:\n")[2], re.MULTILINE)
    return {name for entry in entries for name in entry.split(", ")}


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_first_line_source_and_attributes(cls: type[Architecture] | type[Task]) -> None:
    doc = inspect.cleandoc(cls.__doc__ or "")
    assert doc.partition("\n")[0].endswith((".", "?", ":"))
    assert "\nSource: " in doc
    fields = {field.name for field in dataclasses.fields(cls)}
    assert attributes(doc) == fields


@pytest.mark.parametrize(
    "cls", [cls for cls in CLASSES if issubclass(cls, Task)], ids=lambda cls: cls.__name__
)
def test_sections_of_a_task(cls: type[Task]) -> None:
    doc = inspect.cleandoc(cls.__doc__ or "")
    present = re.findall(r"^([A-Z]\w+)[^\n:]*:", doc.partition("\n")[2], re.MULTILINE)
    sections = [f"{name}:" for name in present if f"{name}:" in TASK_SECTIONS]
    assert sections == [name for name in TASK_SECTIONS if name in sections]
    assert set(TASK_SECTIONS) - OPTIONAL <= set(sections)
