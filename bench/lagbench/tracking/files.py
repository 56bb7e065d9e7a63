"""W&B's files of a run: where they lie, and whether a run has ended.

A `.wandb` file is a header of 7 bytes and then LevelDB's log format: blocks of 32 KiB, each with
frames of a checksum (4 bytes), a length (2), a kind (1) and a part of a protocol buffer.
"""

import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

HEADER, BLOCK, FRAME = 7, 2**15, 7
FULL, LAST = 1, 4


def run_files(folder: Path) -> list[Path]:
    """The files of the runs in `folder/wandb`, oldest first."""
    found = folder.glob("wandb/offline-run-*/run-*.wandb")
    return sorted(found, key=lambda path: path.parent.name)


def latest(folder: Path) -> dict[str, Path]:
    """The file of the latest run of each trial in `folder/wandb`, by the trial's key."""
    return {run_id(file).rpartition("-")[0]: file for file in run_files(folder)}


def run_id(file: Path) -> str:
    """The id of the run that a file holds."""
    return file.stem.removeprefix("run-")


def uploaded(file: Path) -> bool:
    """Whether W&B has marked the file as uploaded."""
    return file.with_name(f"{file.name}.synced").exists()


def ended(file: Path) -> bool:
    """Whether the run has ended: one that goes on, or was killed, has not."""
    return any(record.HasField("exit") for record in records(file))


def wait_until_ended(files: Iterable[Path], seconds: float) -> bool:
    """Wait for runs that were finished to be on the disk whole; False: one is not in time."""
    limit = time.monotonic() + seconds
    for file in files:
        while not ended(file):
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
        if BLOCK - position % BLOCK < FRAME:  # the rest of a block, too short for a frame
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
