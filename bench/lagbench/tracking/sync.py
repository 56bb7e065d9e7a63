"""W&B's files of runs, and uploading them with W&B's own `wandb sync`.

A `.wandb` file is a header of 7 bytes and then LevelDB's log format: blocks of 32 KiB, each with
frames of a checksum (4 bytes), a length (2), a kind (1) and a part of a protocol buffer. W&B marks
beside the file what it has uploaded, and what is marked is not uploaded again.
"""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

HEADER, BLOCK, FRAME = 7, 2**15, 7
FULL, LAST = 1, 4
BATCH = 200  # runs a process: the length of a command line is limited
ADDRESS = re.compile(r"View run .* at (\S+/runs/(\S+))")
ERROR = re.compile(r"\b(?:ERROR|Error:) *(.+)")
UNINFORMATIVE = ("<no message>", "Find detailed error logs")

# Ends itself and W&B's service when the process that started it is gone, however it ended.
PROGRAM = """
import os, signal, sys, threading  # os.read: a lock on sys.stdin would crash Python's exit
def end_with_parent():
    os.read(0, 1)
    os.killpg(0, signal.SIGKILL)
threading.Thread(target=end_with_parent, daemon=True).start()
from wandb.cli.cli import cli
cli(["sync", "--yes", *sys.argv[1:]])
"""


def run_files(folder: Path) -> list[Path]:
    """The files of the runs in `folder/wandb`, oldest first."""
    files = folder.glob("wandb/offline-run-*/run-*.wandb")
    return sorted(files, key=lambda path: path.parent.name)


def latest_files(folder: Path) -> dict[str, Path]:
    """The file of the latest run of each trial in `folder/wandb`, by the trial's key."""
    return {run_id(file).rpartition("-")[0]: file for file in run_files(folder)}


def run_id(file: Path) -> str:
    """The id of the run that a file holds."""
    return file.stem.removeprefix("run-")


def uploaded(file: Path) -> bool:
    """Whether W&B has marked the file as uploaded."""
    return file.with_name(f"{file.name}.synced").exists()


def has_ended(file: Path) -> bool:
    """Whether the run was finished; one that is open, or was killed, was not."""
    return any(record.HasField("exit") for record in records(file))


def wait_until_ended(files: Iterable[Path], seconds: float) -> bool:
    """Wait until finished runs are completely on disk; False if one is not in time."""
    limit = time.monotonic() + seconds
    for file in files:
        while not has_ended(file):
            if time.monotonic() > limit:
                return False
            time.sleep(0.005)
    return True


def records(file: Path) -> Iterator[Any]:
    """The records (`wandb_internal_pb2.Record`) of a file, up to a torn tail."""
    from wandb.proto import wandb_internal_pb2

    protocol: Any = wandb_internal_pb2  # its messages are made at run time
    data, position, partial = file.read_bytes(), HEADER, b""
    while position + FRAME <= len(data):
        if BLOCK - position % BLOCK < FRAME:  # the rest of a block is too short for a frame
            position += BLOCK - position % BLOCK
            continue
        size = int.from_bytes(data[position + 4 : position + 6], "little")
        kind, start = data[position + 6], position + FRAME
        if start + size > len(data):
            return
        partial += data[start : start + size]
        position = start + size
        if kind in (FULL, LAST):
            yield protocol.Record.FromString(partial)
            partial = b""


@dataclass(frozen=True)
class SyncResult:
    """What became of the runs of a folder.

    addresses: of the runs uploaded now, by id. before: how many had been uploaded already.
    unfinished: how many are open or were killed. left: ids of finished runs that are not uploaded,
    and complaint why.
    """

    addresses: dict[str, str]
    before: int
    unfinished: int
    left: tuple[str, ...] = ()
    complaint: str | None = None

    @property
    def sentence(self) -> str:
        """How many runs there are of each kind."""
        counts = f"{len(self.addresses)} uploaded, {self.before} were there already"
        return counts + (f", {self.unfinished} not finished." if self.unfinished else ".")


def sync(folder: Path, patience: float) -> SyncResult:
    """Upload every finished run of `folder/wandb` that is not uploaded yet.

    patience: seconds without a further run before it gives up.
    """
    files = run_files(folder)
    before = {file for file in files if uploaded(file)}
    ready = [file for file in files if file not in before and has_ended(file)]
    addresses: dict[str, str] = {}
    complaint = None
    for start in range(0, len(ready), BATCH):
        batch = ready[start : start + BATCH]
        output, status = _wandb_sync(batch, patience)
        gone = {run_id(file) for file in batch if uploaded(file)}
        addresses |= {id_: address for address, id_ in ADDRESS.findall(output) if id_ in gone}
        if len(gone) < len(batch):
            complaint = _complaint(output, status)
            break
    left = tuple(run_id(file) for file in ready if not uploaded(file))
    return SyncResult(
        addresses, len(before), len(files) - len(before) - len(ready), left, complaint
    )


def _wandb_sync(files: Sequence[Path], patience: float) -> tuple[str, int]:
    """Run `wandb sync` in a process of its own: what it printed, and its exit status.

    A server that does not answer would hold it up for ever, so the process is killed, with W&B's
    service, when no further run is uploaded for `patience` seconds.
    """
    with TemporaryFile() as output:
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-c", PROGRAM, *(str(file.resolve()) for file in files)],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=_environment(files[0].parents[2]),
        )
        assert process.stdin is not None
        try:
            count, since = 0, time.monotonic()
            while process.poll() is None and time.monotonic() - since < patience:
                time.sleep(0.1)
                now = sum(map(uploaded, files))
                if now != count:
                    count, since = now, time.monotonic()
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.stdin.close()
            process.wait()
        output.seek(0)
        return output.read().decode(errors="replace"), process.returncode


def _complaint(output: str, status: int) -> str:
    """Why something was not uploaded, in a few words."""
    errors = [text for text in ERROR.findall(output) if not text.startswith(UNINFORMATIVE)]
    if errors:
        return str(errors[-1])
    reasons = {
        0: "the server refused them",
        -signal.SIGKILL: "the server did not answer in time",
    }
    return reasons.get(status, f"`wandb sync` ended with status {status}")


def _environment(folder: Path) -> dict[str, str]:
    """This process's environment without what would redirect runs: their files say where they go.

    Also without W&B's service of this process, which would outlive the upload.
    """
    removed = ("WANDB_MODE", "WANDB_PROJECT", "WANDB_ENTITY", "WANDB_RUN_ID", "WANDB_SWEEP_ID",
               "WANDB_SERVICE")  # fmt: skip
    kept = {name: value for name, value in os.environ.items() if name not in removed}
    return kept | {"WANDB_DIR": str(folder), "WANDB_ERROR_REPORTING": "false"}
