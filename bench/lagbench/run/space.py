"""What a search may vary: fields of one architecture, and settings of its suite.

`layers=1,2,3` is a field and its values; `recipe.weight_decay=0.001..0.1` is a setting, by the path
that `--set` takes, and the range of its values.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from operator import attrgetter
from typing import Any

from lagbench import registry
from lagbench.contract import UserError
from lagbench.spec.budget import Budget
from lagbench.spec.recipe import Recipe
from lagbench.spec.suite import Selection, Suite, cells, changed, selected

Configuration = dict[str, str]  # a value for every name that is varied, as it is typed
Choice = str | int | float

# These say how a model is measured: scores of configurations that differ in them do not compare.
MEASURING = {"evaluate_every", "validation_examples", "test_examples", "decoding", "keep"}

LISTED = 10**6  # whole numbers, at most


@dataclass(frozen=True)
class Values:
    """The values of a list, as they are typed."""

    choices: tuple[str, ...]

    def text(self, choice: Choice) -> str:
        """The value as text."""
        return str(choice)


@dataclass(frozen=True)
class Range:
    """The numbers from `low` to `high`, both included; integers if `integer`."""

    low: float
    high: float
    integer: bool

    @property
    def log(self) -> bool:
        """Whether to sample on a log scale: if the range spans at least a decade."""
        return 0 < 10 * self.low <= self.high

    @property
    def choices(self) -> range | None:
        """All integers of the range; None: not integers, or too many to be listed."""
        listed = self.integer and self.high - self.low < LISTED
        return range(int(self.low), int(self.high) + 1) if listed else None

    def text(self, number: Choice) -> str:
        """The number as text, fractions to three significant digits."""
        if self.integer:
            return str(number)
        return f"{min(max(float(f'{number:.3g}'), self.low), self.high)!r}"


@dataclass(frozen=True)
class Space:
    """A suite of one architecture, and what of it is varied."""

    suite: Suite
    axes: Mapping[str, Values | Range]

    def grid(self, most: int) -> list[dict[str, Choice]] | None:
        """Every configuration; None where there are more than so many."""
        choices: list[Sequence[Choice] | None] = [axis.choices for axis in self.axes.values()]
        known = [values for values in choices if values is not None]
        if len(known) < len(choices) or math.prod(map(len, known)) > most:
            return None
        return [dict(zip(self.axes, values, strict=True)) for values in product(*known)]

    def typed(self, chosen: Mapping[str, Choice]) -> Configuration:
        """The chosen values as text."""
        return {name: axis.text(chosen[name]) for name, axis in self.axes.items()}


def space(suite: Suite, architecture: str, varied: Sequence[str]) -> Space:
    """Parse what is varied of an architecture and its suite.

    varied: `name=value,value` or `name=low..high`. Raises `UserError` where there is no such name,
    a value is none of it, or varying it would change nothing or not compare.
    """
    name = registry.architecture(architecture).name
    suite = selected(suite, Selection(architectures=(name,)))
    cells(suite)  # all that it names is there
    written: dict[str, str] = {}
    for text in varied:
        name, equals, values = text.partition("=")
        if not (name and equals and values):
            raise UserError(f"{text!r} is neither name=value,value nor name=low..high.")
        if name in written:
            raise UserError(f"{name!r} is varied twice.")
        _check(suite, name)
        written[name] = values
    return Space(suite, {name: _axis(suite, name, written) for name in written})


def settings(configuration: Configuration) -> list[str]:
    """The suite settings of a configuration, in the form that `--set` takes."""
    return [f"{name}={text}" for name, text in configuration.items() if "." in name]


def configured(suite: Suite, configuration: Configuration) -> Suite:
    """Apply a configuration to a suite of one architecture. Raises `UserError` if it is invalid."""
    fields = [f"{name}={text}" for name, text in configuration.items() if "." not in name]
    (base,) = suite.architectures
    separator = "," if ":" in base else ":"
    named = registry.architecture(base + separator + ",".join(fields))
    return selected(changed(suite, settings(configuration)), Selection(architectures=(named.name,)))


def _check(suite: Suite, name: str) -> None:
    (architecture,) = suite.architectures
    known = [field.name for field in dataclasses.fields(registry.architecture(architecture).value)]
    known += [f"recipe.{key}" for key in Recipe.model_fields if key not in MEASURING]
    known += [f"budget.{key}" for key in Budget.model_fields]
    if name not in known:
        raise UserError(f"A search cannot vary {name!r}; {registry.nearest(name, known)}")
    table, _, key = name.partition(".")
    fixed = [axis.name for axis in suite.tasks if table == "recipe" and key in axis.recipe]
    if fixed:
        raise UserError(
            f"The suite {suite.name!r} has a {name} of its own for the task {fixed[0]!r}, so "
            "varying it would change nothing there."
        )


def _axis(suite: Suite, name: str, written: Mapping[str, str]) -> Values | Range:
    """The axis of a name, its values parsed as the registry and the suite parse them."""
    texts = _texts(written[name])
    others = {other: (_texts(values)[0], _texts(values)[-1]) for other, values in written.items()}
    del others[name]
    values = [_parse_value(suite, name, text, others) for text in texts]
    where = f"{name}={written[name]}"
    return _range(where, values) if ".." in written[name] else _values(where, texts, values)


def _texts(written: str) -> list[str]:
    """The values of a list, or the ends of a range."""
    low, dots, high = written.partition("..")
    return [low, high] if dots else written.split(",")


def _parse_value(suite: Suite, name: str, text: str, others: Mapping[str, Sequence[str]]) -> Any:
    """Parse a value. Raises `UserError` if no combination with the other axes' ends is valid."""
    beside = [dict(zip(others, values, strict=True)) for values in product(*others.values())]
    errors = []
    for configuration in ({}, *beside):
        try:
            candidate = configured(suite, {**configuration, name: text})
        except UserError as error:
            errors.append(error)
        else:
            if "." in name:
                return attrgetter(name)(candidate)
            return getattr(registry.architecture(candidate.architectures[0]).value, name)
    raise errors[0]


def _values(where: str, texts: list[str], values: list[Any]) -> Values:
    for index, value in enumerate(values):
        if value in values[:index]:
            raise UserError(f"In {where}, {texts[index]} stands twice.")
    return Values(tuple(texts))


def _range(where: str, ends: list[Any]) -> Range:
    if any(isinstance(end, bool) or not isinstance(end, int | float) for end in ends):
        raise UserError(f"In {where}, a range is of numbers.")
    low, high = ends
    if not (low < high and math.isfinite(low) and math.isfinite(high)):
        raise UserError(f"In {where}, the first number must be less than the second.")
    return Range(low, high, integer=all(isinstance(end, int) for end in ends))
