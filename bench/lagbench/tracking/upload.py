"""Uploading runs that lie on the disk: W&B's own `wandb sync`, in a process that can be ended.

What W&B has uploaded it marks beside the file, and what is marked is not uploaded again. A process
of its own, because a server that does not answer holds `wandb sync` up for ever.
"""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile

from lagbench.tracking.files import ended, run_files, run_id, uploaded

BATCH = 200  # runs a process: a command line has an end
PLACE = re.compile(r"View run .* at (\S+/runs/(\S+))")
ERROR = re.compile(r"\b(?:ERROR|Error:) *(.+)")
EMPTY = ("<no message>", "Find detailed error logs")  # errors that say nothing

# Ends itself and W&B's service when the process that started it is gone, however it went.
PROGRAM = """
import os, signal, sys, threading  # os.read: a lock on sys.stdin would crash Python's exit
def end_with_parent():
    os.read(0, 1)
    os.killpg(0, signal.SIGKILL)
threading.Thread(target=end_with_parent, daemon=True).start()
from wandb.cli.cli import cli
cli(["sync", "--yes", *sys.argv[1:]])
"""


class Upload:
    """One upload that goes on; it must be stopped, or waited for and then stopped."""

    def __init__(self, files: Sequence[Path]) -> None:
        self.files = files
        self.said = ""  # by W&B, known once it is stopped
        self.output = TemporaryFile()  # noqa: SIM115 - it lives as long as the process
        self.process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-c", PROGRAM, *(str(file.resolve()) for file in files)],
            stdin=subprocess.PIPE,
            stdout=self.output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=_environment(files[0].parents[2]),
        )

    @property
    def goes_on(self) -> bool:
        """Whether there may be more to come."""
        return self.process.poll() is None

    @property
    def left(self) -> list[Path]:
        """The files that are not uploaded yet."""
        return [file for file in self.files if not uploaded(file)]

    def stop(self) -> "Upload":
        """End it and W&B's service with it, done or not; once."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()
        self.output.seek(0)
        self.said = self.output.read().decode(errors="replace")
        self.output.close()
        return self

    def places(self) -> dict[str, str]:
        """Where W&B says that it has put which run: address by id."""
        return {id_: address for address, id_ in PLACE.findall(self.said)}

    def complaint(self) -> str:
        """Why something is left, in a few words."""
        found = [text for text in ERROR.findall(self.said) if not text.startswith(EMPTY)]
        if found:
            return str(found[-1])
        status = self.process.returncode
        ways = {
            0: "the server refused them",
            -signal.SIGKILL: "the server did not answer in time",
        }
        return ways.get(status, f"`wandb sync` ended with status {status}")


@dataclass(frozen=True)
class Synced:
    """What became of the runs of a folder."""

    places: dict[str, str]  # address by id of the runs uploaded now
    before: int  # runs that were there already
    unfinished: int  # runs that go on, or were killed; what was killed is trained again
    left: tuple[str, ...] = ()  # ids of the runs that should be there and are not
    complaint: str | None = None

    @property
    def sentence(self) -> str:
        """How many of them there are of each kind."""
        told = f"{len(self.places)} uploaded, {self.before} were there already"
        return told + (f", {self.unfinished} not finished." if self.unfinished else ".")


def sync(folder: Path, patience: float) -> Synced:
    """Upload every run of `folder/wandb` that has ended and is not uploaded yet.

    patience: seconds without a further run before it gives up.
    """
    files = run_files(folder)
    before = [file for file in files if uploaded(file)]
    ready = [file for file in files if file not in set(before) and ended(file)]
    places: dict[str, str] = {}
    complaint = None
    for batch in _batches(ready):
        done = _waited_for(Upload(batch), patience)
        complaint = done.complaint() if done.left else None
        gone = {run_id(file) for file in batch} - {run_id(file) for file in done.left}
        places |= {id_: place for id_, place in done.places().items() if id_ in gone}
        if complaint is not None:
            break
    left = tuple(run_id(file) for file in ready if not uploaded(file))
    return Synced(places, len(before), len(files) - len(before) - len(ready), left, complaint)


def _waited_for(upload: Upload, patience: float) -> Upload:
    left, since = len(upload.left), time.monotonic()
    while upload.goes_on and time.monotonic() - since < patience:
        time.sleep(0.1)
        if len(upload.left) != left:
            left, since = len(upload.left), time.monotonic()
    return upload.stop()


def _batches(files: Sequence[Path]) -> Iterator[Sequence[Path]]:
    for start in range(0, len(files), BATCH):
        yield files[start : start + BATCH]


def _environment(folder: Path) -> dict[str, str]:
    """This process's, without what would change where runs go: that stands in their files.

    And without W&B's service of this process, which would go on with an upload that was ended.
    """
    decided = ("WANDB_MODE", "WANDB_PROJECT", "WANDB_ENTITY", "WANDB_RUN_ID", "WANDB_SWEEP_ID")
    left_out = (*decided, "WANDB_SERVICE")
    kept = {name: value for name, value in os.environ.items() if name not in left_out}
    return kept | {"WANDB_DIR": str(folder), "WANDB_ERROR_REPORTING": "false"}
