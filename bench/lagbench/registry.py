"""Names for architectures and tasks: registration, discovery, and configuration from text.

A file registers what it offers with `register("lstm", LSTM())`: any number of names, each with its
own preset of fields. `architecture("lstm:layers=2")` and `task("recall:cue=first")` give a
configured value back.
"""

import dataclasses
import difflib
import hashlib
import importlib
import importlib.util
import pkgutil
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import entry_points
from pathlib import Path
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError

from lagbench.contract import Architecture, Task, UserError

Value = TypeVar("Value", Architecture, Task)


@dataclasses.dataclass(frozen=True)
class Named(Generic[Value]):
    """A configured value and its canonical name, such as `lstm:layers=2`."""

    name: str
    value: Value

    @property
    def preset(self) -> str:
        """The registered name, without the changed fields."""
        return self.name.partition(":")[0]

    @property
    def fields(self) -> dict[str, Any]:
        """The whole configuration, for records and for identity."""
        return dataclasses.asdict(self.value)


def slug(name: str) -> str:
    """A name as a part of a file's name, of at most 48 letters, digits and _.

    A registered name is its own; of others the beginning is kept, and a hash that keeps them apart.
    """
    word = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
    if word == name and len(word) <= 48:
        return name
    return f"{word[:39].rstrip('_')}_{hashlib.sha256(name.encode()).hexdigest()[:8]}"


_ARCHITECTURES: dict[str, Architecture] = {}
_TASKS: dict[str, Task] = {}
_HOMES: dict[str, str] = {}  # the file that registered each name
_NAME = re.compile(r"[a-z][a-z0-9_]*")


def register(name: str, value: Architecture | Task) -> None:
    """Offer a configured architecture or task under a name.

    Raises `UserError` where the name is malformed or taken; a name is taken once, for an
    architecture or for a task.
    """
    home = sys._getframe(1).f_code.co_filename  # the file that is being imported
    if not _NAME.fullmatch(name):
        raise UserError(f"{home} registers {name!r}: names are lower case letters, digits and _.")
    if name in _HOMES:
        raise UserError(f"{home} registers the name {name!r}, which {_HOMES[name]} already has.")
    if isinstance(value, Architecture):
        _ARCHITECTURES[name] = value
    elif isinstance(value, Task):
        _TASKS[name] = value
    else:
        raise UserError(f"{home} registers {name!r}, which is neither Architecture nor Task.")
    _HOMES[name] = home


def architectures() -> Mapping[str, Architecture]:
    """Every registered architecture by name, in the order of registration."""
    return MappingProxyType(_ARCHITECTURES)


def tasks() -> Mapping[str, Task]:
    """Every registered task by name, in the order of registration."""
    return MappingProxyType(_TASKS)


def home(name: str) -> Path:
    """The file that registered a name."""
    return Path(_HOMES[name])


def architecture(text: str) -> Named[Architecture]:
    """The architecture that `name` or `name:field=value,field=value` asks for."""
    return _configured("architecture", text, _ARCHITECTURES)


def task(text: str) -> Named[Task]:
    """The task that `name` or `name:field=value,field=value` asks for."""
    return _configured("task", text, _TASKS)


def nearest(word: str, known: Iterable[str]) -> str:
    """A clause for error messages: the nearest known name, or all of them where none is near."""
    known = list(known)
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"there are: {', '.join(known)}." if known else "there are none."


def discover(plugins: Iterable[Path] = ()) -> None:
    """Import everything that registers itself: built-in files, entry points, named plugin files.

    Built-in files and entry points are imported once; a plugin file named twice likewise.
    Raises `UserError` where a plugin is missing or does not import.
    """
    discover_built_in()
    for group in ("lagbench.architectures", "lagbench.tasks"):
        for entry in entry_points(group=group):
            with _undone_on_failure(f"The entry point {entry.name!r} ({entry.value})"):
                entry.load()
    for path in plugins:
        _import_plugin(path)


def discover_built_in() -> None:
    """Import every file of `architectures` and `tasks`, once."""
    for folder in ("architectures", "tasks"):
        package = importlib.import_module(f"lagbench.{folder}")
        for module in sorted(
            pkgutil.iter_modules(package.__path__), key=lambda module: module.name
        ):
            if not module.ispkg:
                importlib.import_module(f"lagbench.{folder}.{module.name}")


def _import_plugin(path: Path) -> None:
    """Import a plugin file once. It may import files of its own folder by their names."""
    path = path.resolve()
    name = f"lagbench_plugin_{hashlib.sha256(str(path).encode()).hexdigest()[:12]}"
    if name in sys.modules:
        return
    if not path.is_file():
        raise UserError(f"There is no plugin file {path}.")
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UserError(f"The plugin {path} is not a Python file.")
    module = importlib.util.module_from_spec(spec)
    with _undone_on_failure(f"The plugin {path}"), _importable(path.parent):
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """Let modules be imported from a folder within the block, after all others.

    Modules of the folder are forgotten afterwards, so that plugins of other folders may have
    neighbours of the same names.
    """
    before = set(sys.modules)
    sys.path.append(str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        for name in set(sys.modules) - before:
            file = getattr(sys.modules[name], "__file__", None)
            if file and Path(file).parent == folder and not name.startswith("lagbench_plugin_"):
                del sys.modules[name]


@contextmanager
def _undone_on_failure(what: str) -> Iterator[None]:
    """Forget what a file registered where its import fails, and say so in one sentence."""
    registries: tuple[dict[str, Any], ...] = (_ARCHITECTURES, _TASKS, _HOMES)
    before = [dict(registry) for registry in registries]
    try:
        yield
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a plugin may raise anything, and exit
        for registry, old in zip(registries, before, strict=True):
            registry.clear()
            registry.update(old)
        if isinstance(error, UserError):
            raise
        reason = f"{type(error).__name__}: {error}"
        raise UserError(f"{what} does not import: {reason}.") from error


def _configured(kind: str, text: str, presets: Mapping[str, Value]) -> Named[Value]:
    name, _, changes = text.partition(":")
    if name not in presets:
        raise UserError(f"There is no {kind} {name!r}; {nearest(name, presets)}")
    preset = presets[name]
    value = _replaced(text, preset, _parsed(kind, text, preset, changes))
    changed = [
        f"{field.name}={_plain(getattr(value, field.name))}"
        for field in dataclasses.fields(value)
        if getattr(value, field.name) != getattr(preset, field.name)
    ]
    return Named(name if not changed else f"{name}:{','.join(changed)}", value)


def _parsed(kind: str, text: str, preset: Architecture | Task, changes: str) -> dict[str, str]:
    """`field=value,field=value` as a dictionary of texts, every field known and named once."""
    known = [field.name for field in dataclasses.fields(preset)]
    parsed: dict[str, str] = {}
    for change in filter(None, changes.split(",")):
        field, equals, value = change.partition("=")
        if not equals:
            hint = "; a value cannot hold a comma" if "," in changes else ""
            raise UserError(f"In {kind} {text!r}, {change!r} is not of the form field=value{hint}.")
        if field not in known:
            raise UserError(f"In {kind} {text!r}, there is no field {field!r}; "
                             f"{nearest(field, known)}")  # fmt: skip
        if field in parsed:
            raise UserError(f"In {kind} {text!r}, the field {field!r} stands twice.")
        parsed[field] = value
    return parsed


def _replaced(text: str, preset: Value, changes: Mapping[str, str]) -> Value:
    """The preset with fields changed, their texts read as the types that the class declares."""
    fields = {field.name: getattr(preset, field.name) for field in dataclasses.fields(preset)}
    try:
        return TypeAdapter(type(preset)).validate_python({**fields, **changes})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        reason = first["msg"].removeprefix("Value error, ").removesuffix(".")
        raise UserError(f"In {text!r}, {f'{where}: ' if where else ''}{reason}.") from error


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
