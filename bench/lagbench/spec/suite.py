"""Suites: validated TOML files that span trials."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from lagbench import registry
from lagbench.contract import UserError
from lagbench.spec.budget import Budget
from lagbench.spec.cell import Cell
from lagbench.spec.decoding import Decoding
from lagbench.spec.destination import Destination
from lagbench.spec.recipe import Recipe

BUILT_IN = Path(__file__).parent.parent / "suites"

FIRST_TUNING_SEED = 1000  # out of the way of seeds that are counted from 0
Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TaskAxis(_Strict):
    """A task, the lengths it is run at, and what its recipe changes for every architecture."""

    name: str
    lengths: tuple[int, ...] | None = Field(default=None, min_length=1)  # None: its usual ones
    recipe: dict[str, Any] = {}


class Suite(_Strict):
    """Architectures × tasks × lengths × seeds × learning rates under one budget."""

    name: str
    description: str = ""
    architectures: tuple[str, ...] = Field(min_length=1)
    tasks: tuple[TaskAxis, ...] = Field(min_length=1)
    seeds: tuple[int, ...] = Field(default=(0, 1, 2), min_length=1)
    tuning_seeds: tuple[int, ...] = ()
    """Seeds that are trained at every learning rate to choose one, and then `seeds`, which are
    fresh, at that rate only. None: the rate is chosen among the trials of `seeds` themselves."""
    learning_rates: tuple[Rate, ...] = Field(default=(1e-3, 3e-3, 1e-2), min_length=1)
    budget: Budget = Budget(parameters=10_000)
    recipe: Recipe = Recipe()
    wandb: Destination = Destination()

    @field_validator("seeds", mode="before")
    @classmethod
    def _expand_seeds(cls, value: Any) -> Any:
        """A number stands for that many seeds."""
        return tuple(range(value)) if isinstance(value, int) and value > 0 else value

    @field_validator("tuning_seeds", mode="before")
    @classmethod
    def _expand_tuning_seeds(cls, value: Any) -> Any:
        """A number stands for that many seeds, from `FIRST_TUNING_SEED` on."""
        if not isinstance(value, int) or value < 0:
            return value
        return tuple(range(FIRST_TUNING_SEED, FIRST_TUNING_SEED + value))

    @field_validator("architectures", "tasks", "seeds", "tuning_seeds", "learning_rates")
    @classmethod
    def _check_unique(cls, values: tuple[Any, ...]) -> tuple[Any, ...]:
        for index, value in enumerate(values):
            if value in values[:index]:
                raise ValueError(f"{value!r} stands twice")
        return values

    @model_validator(mode="after")
    def _check_tuning_seeds(self) -> "Suite":
        both = sorted({*self.seeds} & {*self.tuning_seeds})
        if both:
            raise ValueError(f"seed {both[0]} is for tuning, so it cannot be reported, too")
        if self.tuning_seeds and len(self.learning_rates) == 1:
            raise ValueError(
                "there is one learning rate, and so nothing for tuning_seeds to choose"
            )
        return self


def built_in() -> dict[str, Path]:
    """The suites that come with LagBench, by name, such as `quick` and `claims/memory`."""
    paths = sorted(BUILT_IN.rglob("*.toml"))
    return {path.relative_to(BUILT_IN).with_suffix("").as_posix(): path for path in paths}


def load(name: str, changes: Sequence[str] = ()) -> Suite:
    """The suite of that name, or in that file, with `path.to.key=value` changes applied.

    Raises `UserError` if there is none, it is not TOML, or it is invalid.
    """
    path = built_in().get(name, Path(name))
    if not path.is_file():
        inner = [suite for suite in built_in() if suite.startswith(f"{name}/")]
        if inner:
            raise UserError(
                f"{name!r} is a folder of suites, to be run one by one: {', '.join(inner)}; "
                f"`lagbench {name}` runs them all."
            )
        raise UserError(f"There is no suite {name!r}; {registry.nearest(name, built_in())}")
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"The suite {path} is not TOML: {error}.") from error
    raw.setdefault("name", name if name in built_in() else path.stem)
    for change in changes:
        _change(raw, change)
    return validated(raw, f"the suite {name!r}")


def validated(raw: dict[str, Any], where: str) -> Suite:
    """Validate a suite from plain data. Raises `UserError` with one sentence."""
    try:
        return Suite.model_validate(raw)
    except ValidationError as error:
        raise UserError(_sentence(error, where, Suite)) from error


def changed(suite: Suite, changes: Sequence[str]) -> Suite:
    """The suite with `path.to.key=value` changes applied; `UserError` if it is invalid then."""
    raw = suite.model_dump(exclude_unset=True)
    for change in changes:
        _change(raw, change)
    return validated(raw, "the command")


@dataclass(frozen=True)
class Selection:
    """What a command selects of a suite; empty: as the suite says."""

    architectures: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    lengths: tuple[int, ...] = ()
    seeds: int | None = None


def selected(suite: Suite, selection: Selection) -> Suite:
    """Apply a selection; a task of the suite keeps its lengths and recipe."""
    axes = suite.tasks
    if selection.tasks:
        axes = tuple(
            axis
            for name in selection.tasks
            for axis in [task for task in suite.tasks if task.name == name] or [TaskAxis(name=name)]
        )
    if selection.lengths:
        first = {axis.name: axis for axis in reversed(axes)}  # of a task that stands twice
        axes = tuple(
            axis.model_copy(update={"lengths": selection.lengths})
            for axis in axes
            if axis is first[axis.name]
        )
    raw = suite.model_dump(exclude_unset=True)
    raw["tasks"] = [axis.model_dump(exclude_unset=True) for axis in axes]
    if selection.architectures:
        raw["architectures"] = selection.architectures
    if selection.seeds is not None:
        raw["seeds"] = selection.seeds
    return validated(raw, "the command")


def cells(suite: Suite) -> list[Cell]:
    """Every cell of a suite. Raises `UserError` for an unknown name or an invalid length."""
    by_id: dict[tuple[str, str, int], Cell] = {}
    for axis in suite.tasks:
        task = registry.task(axis.name)
        recipe = _recipe(suite, axis)
        for length in axis.lengths or task.value.lengths:
            task.value.signature(length)
            for name in suite.architectures:
                cell = Cell(
                    registry.architecture(name), task, length, suite.seeds,
                    suite.learning_rates, recipe, suite.budget, suite.tuning_seeds,
                )  # fmt: skip
                if cell.cell_id in by_id:
                    raise UserError(
                        f"The suite {suite.name!r} has {cell.cell_id[0]} on {cell.cell_id[1]} "
                        f"at length {length} twice."
                    )
                by_id[cell.cell_id] = cell
    return list(by_id.values())


def _recipe(suite: Suite, axis: TaskAxis) -> Recipe:
    try:
        return Recipe.model_validate({**suite.recipe.model_dump(), **axis.recipe})
    except ValidationError as error:
        where = f"the recipe of the task {axis.name!r}"
        raise UserError(_sentence(error, where, Recipe)) from error


def _change(raw: dict[str, Any], change: str) -> None:
    """Apply one `path.to.key=value`; the value is TOML, or else a plain text."""
    path, equals, text = change.partition("=")
    if not equals or not path:
        raise UserError(f"{change!r} is not of the form path.to.key=value.")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    table = raw
    *parents, key = path.split(".")
    for parent in parents:
        table = table.setdefault(parent, {})
        if not isinstance(table, dict):
            raise UserError(f"In {change!r}, {parent!r} is not a table.")
    table[key] = value


def _sentence(error: ValidationError, where: str, model: type[BaseModel]) -> str:
    first = error.errors()[0]
    path = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        key = str(first["loc"][-1])
        known = _fields(model, first["loc"][:-1])
        return f"In {where}, there is no {path!r}; {registry.nearest(key, known)}"
    reason = first["msg"].removeprefix("Value error, ").removesuffix(".")
    return f"In {where}, {path + ': ' if path else ''}{reason}."


def _fields(model: type[BaseModel], path: tuple[int | str, ...]) -> list[str]:
    """The keys that the table at `path` may have."""
    tables: dict[int | str, type[BaseModel]] = {
        "recipe": Recipe, "budget": Budget, "tasks": TaskAxis, "decoding": Decoding,
        "wandb": Destination,
    }  # fmt: skip
    inner = [tables[key] for key in path if key in tables]
    return list((inner or [model])[-1].model_fields)
