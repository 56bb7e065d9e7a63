"""What holds for the configuration of an architecture or a task alike."""

import copy
import dataclasses
import inspect
import pickle

from lagbench.contract import Architecture, Task


def configuration(value: Architecture | Task) -> str:
    """The configuration is frozen, and can be hashed, copied and sent to another process."""
    kind = type(value)
    declared = vars(kind).get("__dataclass_params__")
    assert getattr(declared, "frozen", False), (
        f"{kind.__name__} is not declared with @dataclass(frozen=True)."
    )
    fields = ", ".join(field.name for field in dataclasses.fields(value))
    try:
        hash(value)
    except TypeError as error:
        raise AssertionError(f"It cannot be hashed: {error}.") from error
    for way, twin in (
        ("deep copy", copy.deepcopy(value)),
        ("pickled copy", pickle.loads(pickle.dumps(value))),  # noqa: S301  (its own bytes)
    ):
        assert {twin} == {value}, f"Its {way} is another configuration."
    return f"fields: {fields}" if fields else "no fields"


def documented(value: Architecture | Task) -> str:
    """The class says what it is; a task's docstring shows its data as `source -> target`."""
    kind = type(value)
    generated = f"{kind.__name__}{inspect.signature(kind)}".replace(" -> None", "")
    text = (vars(kind).get("__doc__") or "").replace(generated, "")
    assert text.strip(), f"{kind.__name__} has no docstring of its own."
    if isinstance(value, Task):
        assert "->" in text or "→" in text, (
            f"The docstring of {kind.__name__} shows no data: there is no `source -> target` in it."
        )
        version: object = value.version
        assert type(version) is int, f"Its version is {version!r}, which is no whole number."
    return ""
