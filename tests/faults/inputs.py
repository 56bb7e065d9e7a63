"""Bad input of every kind, in this process: each is one sentence, and nothing is written."""

import io
import os
import shutil
import signal
import sys
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

import lagbench.check
import lagbench.report.page
from lagbench import registry
from lagbench.cli import main
from lagbench.record import Throughput
from lagbench.run import runner
from lagbench.run.config import RunConfig
from lagbench.run.executors.local import Inline
from lagbench.run.store import Store
from lagbench.spec.cell import Cell
from lagbench.spec.suite import Selection, load, selected
from lagbench.tracking import Tracking
from tests.faults.generated import COMMAND_LINES, PLUGINS, SUITES, Words, damaged
from tests.faults.kills import SUITE

PATIENCE = 60  # seconds, after which an input hangs


class Reached(BaseException):
    """The input was fine, and work would begin now."""


@dataclass
class Tally:
    """How many inputs of a kind came to what."""

    kind: str
    found: Counter[str]

    def __str__(self) -> str:
        told = ", ".join(f"{count:,} {what}" for what, count in sorted(self.found.items()))
        return f"{self.kind}: {told}"


@dataclass(frozen=True)
class Kind:
    """Bad inputs: how they are drawn, and what one comes to, which raises where that is wrong."""

    name: str
    drawn: Callable[["Box"], st.SearchStrategy[object]]
    tried: Callable[["Box", object], str]


class Box:
    """A folder to call `lagbench` in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def call(self, words: Words) -> tuple[int | None, str]:
        """Exit status (None: work would have begun) and standard error of `lagbench WORDS`."""
        shown = io.TextIOWrapper(io.BytesIO(), "utf-8", errors="backslashreplace")
        printed = io.TextIOWrapper(io.BytesIO(), "utf-8")
        with (
            patch.multiple(sys, argv=["lagbench", *words], stdout=printed, stderr=shown),
            warnings.catch_warnings(action="ignore"),
        ):
            status = self._status()
        shown.seek(0)
        return status, shown.read()

    def _status(self) -> int | None:
        known = registry._ARCHITECTURES, registry._TASKS, registry._HOMES
        before = [dict(one) for one in known]
        try:
            # Python may keep a plugin's bytecode beside it, which we do not count as written.
            with limited(PATIENCE), patch.object(sys, "dont_write_bytecode", True):
                main()
        except Reached:
            return None
        except SystemExit as end:
            return end.code if isinstance(end.code, int) else int(end.code is not None)
        except BaseException:
            traceback.print_exc()
            return 1
        finally:
            for one, old in zip(known, before, strict=True):
                one.clear()
                one.update(old)
            for name in [name for name in sys.modules if name.startswith("lagbench_plugin_")]:
                del sys.modules[name]
        return 0

    def files(self) -> dict[Path, bytes]:
        """Everything in the folder."""
        return {path: path.read_bytes() for path in self.folder.rglob("*") if path.is_file()}


def refused(box: Box, words: Words, files: dict[str, bytes]) -> str:
    """What a command comes to that is given these files; raises where that is no clean answer."""
    empty(box.folder)
    for name, content in files.items():
        (box.folder / name).write_bytes(content)
    before = sorted(box.folder.rglob("*"))
    status, told = box.call(words)
    clean(status, told)
    if status != 2:
        return "were fine after all"
    assert sorted(box.folder.rglob("*")) == before, f"it wrote: {box.files()}"
    return "refused in a sentence"


def clean(status: int | None, told: str) -> None:
    """Raise unless this is the end of a command that worked, or that refused in a sentence."""
    assert "Traceback" not in told, told
    assert status in (None, 0, 2), f"exit status {status}: {told}"
    if status == 2:
        errors = [line for line in told.splitlines() if line.startswith("Error: ")]
        assert len(errors) == 1, told
        assert len(errors[0]) > len("Error: "), told


# --- the kinds --------------------------------------------------------------------------------


def _suite(box: Box, content: bytes) -> str:
    return refused(box, ["run", "a suite.toml", "--out", "out"], {"a suite.toml": content})


def _command_line(box: Box, words: Words) -> str:
    return refused(box, words, {})


def _plugin(box: Box, content: bytes) -> str:
    words = ["list", "architectures", "--plugin", "a plugin.py"]
    return refused(box, words, {"a plugin.py": content})


def _results(box: Box) -> st.SearchStrategy[tuple[Path, bytes]]:
    """A file of a finished run, and what stands there instead."""
    finished = run_once(box.folder.parent / "finished")
    paths = sorted(finished.rglob("*.json"))
    return st.sampled_from(paths).flatmap(
        lambda path: damaged(path.read_bytes()).map(
            lambda content: (path.relative_to(finished), content)
        )
    )


def _result(box: Box, drawn: tuple[Path, bytes]) -> str:
    """Set aside with a warning, if it cannot be read; given to the report, if it can."""
    at, content = drawn
    empty(box.folder)
    out = box.folder / "out"
    shutil.copytree(box.folder.parent / "finished", out)
    (out / at).write_bytes(content)
    status, told = box.call(["report", "out"])
    clean(status, told)
    aside = list(out.rglob("*.unreadable-*"))
    if not aside:
        assert (out / at).read_bytes() == content
        return "were fine after all"
    assert [path.read_bytes() for path in aside] == [content]
    assert "was set aside as" in told
    return "set aside with a warning"


KINDS = [
    Kind("suite files", lambda _: SUITES, _suite),
    Kind("command lines", lambda _: COMMAND_LINES, _command_line),
    Kind("plugin sources", lambda _: PLUGINS, _plugin),
    Kind("result files", _results, _result),
]


def tried(kind: Kind, count: int, folder: Path, start: int = 0) -> Tally:
    """Give so many bad inputs of a kind, not counting those that turn out to be fine."""
    registry.discover()
    home = folder / kind.name
    box = Box(home / "box")
    box.folder.mkdir(parents=True)
    tally = Tally(kind.name, Counter())
    drawn = kind.drawn(box)

    def bad() -> int:
        return tally.found.total() - tally.found["were fine after all"]

    with working_in(box.folder), nothing_begins():
        while bad() < count:
            _sitting(kind, box, drawn, tally, max(count - bad(), 20), start + tally.found.total())
    return tally


def _sitting(
    kind: Kind, box: Box, drawn: st.SearchStrategy[object], tally: Tally, count: int, start: int
) -> None:
    @seed(start)
    @settings(
        max_examples=count, database=None, deadline=None, derandomize=False,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(drawn)
    def one(given: object) -> None:
        tally.found[kind.tried(box, given)] += 1

    one()


# --- around a call ----------------------------------------------------------------------------


def run_once(out: Path) -> Path:
    """A finished run of two cells, whose speeds are made up: measuring them takes seconds."""
    suite = out.parent / "suite.toml"
    suite.write_text(SUITE, encoding="utf-8")
    chosen = load(str(suite), ["recipe.steps=20", "seeds=1"])
    chosen = selected(chosen, Selection(("gru", "rnn"), ("recall",), (4,)))
    with patch.object(runner, "_measure", _made_up):
        runner.run(RunConfig(chosen, out, Inline(), Tracking("disabled")), runner.Watcher())
    return out


def _made_up(cells: Iterable[Cell], store: Store, *_: object) -> None:
    rates = dict.fromkeys(("train_tokens_per_second", "inference_tokens_per_second"), 1e5)
    shares = dict.fromkeys(("train_relative", "inference_relative", "other_cores"), 0.25)
    for cell in cells:
        at = dict(zip(("architecture", "task", "length"), cell.cell_id, strict=True))
        made_up = Throughput(**at, **rates, **shares, batch=1, tokens_per_example=1, device="none")
        store.write_throughput(cell, made_up)


@contextmanager
def nothing_begins() -> Iterator[None]:
    """Let no command train, check or write a report, all of which take seconds."""

    def reach(*_: object, **__: object) -> None:
        raise Reached

    with (
        patch.object(runner, "_run", reach),
        patch.object(lagbench.check, "run_checks", reach),
        patch.object(lagbench.report.page, "write_report", lambda *_: (None, [])),
        patch.object(registry, "entry_points", lambda **_: []),  # a search of the disk each time
    ):
        yield


@contextmanager
def working_in(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raise `AssertionError` in what takes longer."""

    def end(*_: object) -> None:
        raise AssertionError(f"It hangs: more than {seconds} s.")

    handler = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)


def empty(folder: Path) -> None:
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
