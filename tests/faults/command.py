"""`lagbench` in a process of its own, to be interrupted and killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

ROOT = Path(__file__).parents[2]
PATIENCE = 1200  # seconds; only what hangs ever takes them


class Command:
    """A running `lagbench WORDS`; what it prints goes to files, which no orphan can hold open."""

    def __init__(self, *words: object, folder: Path, **environment: str) -> None:
        self.folder = folder
        self.output, self.errors = TemporaryFile(), TemporaryFile()  # noqa: SIM115
        self.process = subprocess.Popen(
            [sys.executable, "-c", "from lagbench.__main__ import main; main()", *map(str, words)],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT / "bench"), "COLUMNS": "200", **environment},
            stdout=self.output,
            stderr=self.errors,
        )

    def until(self, happened: Callable[[], object]) -> None:
        """Wait until something has happened, or fail with what was printed."""
        wait(lambda: happened() or self.process.poll() is not None)
        if not happened():
            self.process.kill()
            raise AssertionError(f"It did not happen: {self.end()}")

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def end(self) -> tuple[int, str, str]:
        """Exit status, standard output, standard error."""
        try:
            status = self.process.wait(PATIENCE)
        finally:
            self.process.kill()
        return status, _text(self.output), _text(self.errors)


def _text(file: IO[bytes]) -> str:
    with file:
        file.seek(0)
        return file.read().decode()


def wait(happened: Callable[[], object]) -> None:
    """Wait until something has happened."""
    end = time.monotonic() + PATIENCE
    while not happened() and time.monotonic() < end:
        time.sleep(0.05)
    assert happened()


def alive(process: int) -> bool:
    """Whether a process runs; one that is dead and not yet buried does not."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in "ZX"
