"""Every registered preset can be asked for, and changed, from the command line."""

from dataclasses import fields

import pytest

from lagbench import registry
from lagbench.contract import Architecture, Task

PRESETS: dict[str, Architecture | Task] = {**registry.architectures(), **registry.tasks()}


def configured(text: str) -> registry.Named[Architecture] | registry.Named[Task]:
    if text.partition(":")[0] in registry.tasks():
        return registry.task(text)
    return registry.architecture(text)


@pytest.mark.parametrize("name", PRESETS)
def test_every_field_is_set_by_its_text(name: str) -> None:
    assert configured(name) == registry.Named(name, PRESETS[name])
    for field in fields(PRESETS[name]):
        value = getattr(PRESETS[name], field.name)
        if value is not None:  # which means: not given
            assert configured(f"{name}:{field.name}={value}").value == PRESETS[name]


@pytest.mark.parametrize("name", PRESETS)
def test_mistaken_fields_are_told(name: str) -> None:
    with pytest.raises(registry.UserError, match="there is no field 'no_such_field'"):
        configured(f"{name}:no_such_field=1")
