"""Names: registration, discovery, and configuration from text."""

import dataclasses
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, Literal

import pytest
import torch

from lagbench import registry
from lagbench.contract import (
    Alignment,
    Architecture,
    Batch,
    Mixer,
    Signature,
    Split,
    Task,
    Tokens,
    UserError,
)


class Shade(StrEnum):
    DARK = "dark"
    LIGHT = "light"


@dataclass(frozen=True)
class Toy(Architecture):
    """A core that is never built."""

    layers: int = 1
    rate: float = 0.5
    gated: bool = False
    kind: Literal["dark", "light"] = "dark"
    shade: Shade = Shade.DARK
    most: int | None = None

    def __post_init__(self) -> None:
        if self.layers < 1:
            raise UserError("layers must be at least 1.")

    def build(self, width: int, signature: Signature) -> Mixer:
        raise NotImplementedError


@dataclass(frozen=True)
class ToyTask(Task):
    """Nothing -> nothing."""

    symbols: int = 4

    def signature(self, length: int) -> Signature:
        return Signature(Tokens(4), Tokens(4), Alignment.POOLED, length)

    def sample(self, length: int, count: int, generator: torch.Generator, split: Split) -> Batch:
        raise NotImplementedError

    def chance(self, length: int) -> float:
        return 0.25

    def oracle(self, length: int, source: torch.Tensor, source_mask: Any) -> torch.Tensor:
        raise NotImplementedError


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A registry of two names, and the real one back afterwards."""
    for private in ("_ARCHITECTURES", "_TASKS", "_HOMES"):
        monkeypatch.setattr(registry, private, {})
    registry.register("toy", Toy())
    registry.register("game", ToyTask())
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        del sys.modules[name]


pytestmark = pytest.mark.usefixtures("names")

PLUGIN = """
from dataclasses import dataclass
from lagbench.contract import Architecture
from lagbench.registry import register

@dataclass(frozen=True)
class Mine(Architecture):
    def build(self, width, signature): ...

register({name!r}, Mine())
"""


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(PLUGIN.format(name="mine"))
    return path


def refused(text: str) -> str:
    with pytest.raises(UserError) as caught:
        registry.architecture(text)
    return str(caught.value)


# --- registration -----------------------------------------------------------------------------


def test_a_registered_name_is_found_with_its_home() -> None:
    assert registry.architectures() == {"toy": Toy()}
    assert registry.tasks() == {"game": ToyTask()}
    assert registry.home("toy") == registry.home("game") == Path(__file__)


def test_registered_names_cannot_be_changed_from_outside() -> None:
    with pytest.raises(TypeError):
        registry.architectures()["other"] = Toy()  # type: ignore[index]


@pytest.mark.parametrize("name", ["", "Toy", "2toys", "my-toy", "toy:layers", "toys ", "_toy"])
def test_malformed_names_are_refused(name: str) -> None:
    with pytest.raises(UserError, match="lower case letters, digits and _"):
        registry.register(name, Toy())
    assert list(registry.architectures()) == ["toy"]


@pytest.mark.parametrize("value", [Toy(), ToyTask()])
@pytest.mark.parametrize("name", ["toy", "game"])
def test_a_name_is_taken_once_for_either_kind(name: str, value: Architecture | Task) -> None:
    with pytest.raises(UserError, match=f"registers the name '{name}', which .*test_registry.py"):
        registry.register(name, value)
    assert registry.architectures() == {"toy": Toy()}
    assert registry.tasks() == {"game": ToyTask()}


@pytest.mark.parametrize("value", [Shade.DARK, 3, Toy])
def test_what_is_neither_is_refused(value: Any) -> None:
    with pytest.raises(UserError, match="neither Architecture nor Task"):
        registry.register("other", value)
    assert "other" not in registry.architectures()
    registry.register("other", Toy())  # the name is still free


# --- configuration ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("toy", "toy", Toy()),
        ("toy:", "toy", Toy()),
        ("toy:layers=1", "toy", Toy()),
        ("toy:layers=2", "toy:layers=2", Toy(layers=2)),
        ("toy:gated=true,layers=3", "toy:layers=3,gated=true", Toy(layers=3, gated=True)),
        ("toy:rate=1e-2", "toy:rate=0.01", Toy(rate=0.01)),
        ("toy:kind=light", "toy:kind=light", Toy(kind="light")),
        ("toy:shade=light", "toy:shade=light", Toy(shade=Shade.LIGHT)),
        ("toy:most=5", "toy:most=5", Toy(most=5)),
    ],
)
def test_texts_are_configurations(text: str, name: str, value: Toy) -> None:
    named = registry.architecture(text)
    assert named == registry.Named(name, value)
    assert registry.architecture(named.name) == named
    assert named.preset == "toy"
    assert named.fields == dataclasses.asdict(value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("toyy", "There is no architecture 'toyy'; did you mean 'toy'?"),
        ("zzz", "There is no architecture 'zzz'; there are: toy."),
        ("game", "There is no architecture 'game'; there are: toy."),
        ("toy:layer=2", "In architecture {}, there is no field 'layer'; did you mean 'layers'?"),
        ("toy:layers", "In architecture {}, 'layers' is not of the form field=value."),
        ("toy:layers=1,layers=2", "In architecture {}, the field 'layers' stands twice."),
        ("toy:layers=two", "In {}, layers: Input should be a valid integer, unable to parse .*"),
        ("toy:layers=2.5", "In {}, layers: Input should be a valid integer, unable to parse .*"),
        ("toy:gated=maybe", "In {}, gated: Input should be a valid boolean, unable to .*"),
        ("toy:kind=grey", "In {}, kind: Input should be 'dark' or 'light'."),
        ("toy:layers=0", "In {}, layers must be at least 1."),
    ],
)
def test_mistakes_are_told_in_a_sentence(text: str, sentence: str) -> None:
    expected = sentence.format(repr(text)).replace("?", r"\?")
    assert re.fullmatch(expected, refused(text))


def test_tasks_are_configured_alike() -> None:
    assert registry.task("game:symbols=5") == registry.Named("game:symbols=5", ToyTask(5))
    with pytest.raises(UserError, match="There is no task 'toy'"):
        registry.task("toy")


def test_nothing_registered_is_told() -> None:
    assert registry.nearest("toy", []) == "there are none."


# --- discovery --------------------------------------------------------------------------------


def test_a_plugin_registers_its_names_once(plugin: Path) -> None:
    registry.discover([plugin, plugin])
    registry.discover([plugin.parent / "." / "mine.py"])
    assert list(registry.architectures()) == ["toy", "mine"]
    assert registry.home("mine") == plugin


def test_a_plugin_may_register_a_preset_of_what_it_did_not_write(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(
        "from lagbench import registry\n"
        "registry.register('two', registry.architecture('toy:layers=2').value)\n"
    )
    registry.discover([path])
    assert registry.architecture("two").value == Toy(layers=2)
    assert registry.home("two") == path


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("raise KeyError('weights')", "does not import: KeyError: 'weights'"),
        ("raise SystemExit(3)", "does not import: SystemExit: 3"),
        ("import no_such_library", "does not import: ModuleNotFoundError"),
        ("def broken(:", "does not import: SyntaxError"),
        (PLUGIN.format(name="toy"), "registers the name 'toy', which .* already has"),
        (PLUGIN.format(name="My-Own"), "registers 'My-Own': names are lower case"),
    ],
)  # fmt: skip
def test_a_faulty_plugin_is_told(tmp_path: Path, source: str, sentence: str) -> None:
    path = tmp_path / "mine.py"
    path.write_text(source)
    for _ in range(2):  # it is no better the second time
        with pytest.raises(UserError, match=sentence) as caught:
            registry.discover([path])
        assert str(path) in str(caught.value)
    assert registry.architectures() == {"toy": Toy()}


def test_a_plugin_that_fails_half_way_can_be_mended(plugin: Path) -> None:
    sound = plugin.read_text()
    plugin.write_text(sound + "\nraise ValueError('unfinished')")
    with pytest.raises(UserError, match="unfinished"):
        registry.discover([plugin])
    assert "mine" not in registry.architectures()
    plugin.write_text(sound)
    registry.discover([plugin])
    assert "mine" in registry.architectures()


@pytest.mark.parametrize("name", ["missing.py", "."])
def test_a_missing_plugin_is_told(tmp_path: Path, name: str) -> None:
    path = (tmp_path / name).resolve()
    with pytest.raises(UserError) as caught:
        registry.discover([path])
    assert str(caught.value) == f"There is no plugin file {path}."


def test_a_plugin_that_is_no_python_is_told(tmp_path: Path) -> None:
    path = tmp_path / "mine.txt"
    path.write_text("hello")
    with pytest.raises(UserError, match=r"mine\.txt is not a Python file\."):
        registry.discover([path])


def entry(monkeypatch: pytest.MonkeyPatch, value: str, group: str) -> None:
    """Pretend that an installed package offers an entry point."""
    point = EntryPoint("theirs", value, group)
    monkeypatch.setattr(
        registry, "entry_points", lambda group: [point] if group == point.group else []
    )


@pytest.mark.parametrize("group", ["lagbench.architectures", "lagbench.tasks"])
def test_entry_points_are_imported(
    plugin: Path, monkeypatch: pytest.MonkeyPatch, group: str
) -> None:
    monkeypatch.syspath_prepend(plugin.parent)
    entry(monkeypatch, "mine", group)
    registry.discover()
    registry.discover()
    assert "mine" in registry.architectures()


@pytest.mark.parametrize(
    ("source", "reason"),
    [("raise KeyError('weights')", "weights"), ("raise SystemExit(3)", "3")],
)
def test_a_faulty_entry_point_is_told(
    plugin: Path, monkeypatch: pytest.MonkeyPatch, source: str, reason: str
) -> None:
    plugin.write_text(source)
    monkeypatch.syspath_prepend(plugin.parent)
    entry(monkeypatch, "mine", "lagbench.tasks")
    with pytest.raises(UserError, match=rf"'theirs' \(mine\) does not import: .*{reason}"):
        registry.discover()


def test_a_registered_name_is_its_own_slug():
    assert registry.slug("associative_recall") == "associative_recall"


def test_a_slug_is_short_fit_for_a_file_and_keeps_names_apart():
    long = "next_token:source=" + "/a/very/long/path" * 20
    names = [
        long + "/one.txt",
        long + "/two.txt",
        "recall:cue=first",
        "recall:cue.first",
        "recall-",
    ]
    slugs = [registry.slug(name) for name in names]
    assert len(set(slugs)) == len(names)
    assert all(re.fullmatch(r"[a-z0-9_]{1,48}", slug) for slug in slugs)
    assert slugs[2].startswith("recall_cue_first_")


def test_a_plugin_may_import_its_neighbours(tmp_path: Path) -> None:
    """By name, from its own folder; plugins elsewhere may have neighbours of the same name."""
    for index, folder in enumerate((tmp_path / "a", tmp_path / "b")):
        folder.mkdir()
        (folder / "neighbour.py").write_text(f"LAYERS = {index + 2}\n")
        (folder / "mine.py").write_text(
            "from neighbour import LAYERS\n"
            "from lagbench import registry\n"
            "toy = registry.architecture(f'toy:layers={LAYERS}').value\n"
            f"registry.register('mine_{folder.name}', toy)\n"
        )
    registry.discover([tmp_path / "a" / "mine.py", tmp_path / "b" / "mine.py"])
    assert registry.architecture("mine_a").value == Toy(layers=2)
    assert registry.architecture("mine_b").value == Toy(layers=3)
    assert "neighbour" not in sys.modules
    assert str(tmp_path / "a") not in sys.path


@pytest.mark.parametrize("python_path", ["", "."])
def test_files_of_the_working_folder_are_not_imported(tmp_path: Path, python_path: str) -> None:
    """Not even where they are called as our folders, and the working folder is searched."""
    (tmp_path / "tasks").mkdir()
    names = ("tasks/__init__.py", "tasks/mine.py", "architectures.py", "bench.py")
    for name in names:
        touched = tmp_path / (Path(name).stem + ".touched")
        (tmp_path / name).write_text(f"open({str(touched)!r}, 'w').close()\nraise SystemExit(9)\n")
    package = Path(registry.__file__).parents[1]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([python_path, str(package)])}
    command = [sys.executable, "-m", "lagbench", "list", "architectures"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "lstm" in done.stdout
    assert not list(tmp_path.glob("*.touched"))
