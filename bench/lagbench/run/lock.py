"""One run at a time in a folder: a lock that the system frees when its holder dies."""

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from lagbench.contract import UserError
from lagbench.run.store import accessing


@contextmanager
def held(out: Path) -> Iterator[None]:
    """Hold a folder of results. Raises `UserError`, which says who does, where another run does.

    The files stay behind: who deletes a lock file may delete another's lock.
    """
    holder = out / ".running.txt"
    lock = FileLock(out / ".running.lock")
    with accessing(out):
        out.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            by = holder.read_text(encoding="utf-8") if holder.is_file() else "another process"
            raise UserError(f"{out} is in use by {by}; wait, or give another --out.") from None
    try:
        with accessing(holder):
            holder.write_text(f"process {os.getpid()} on {platform.node()}", encoding="utf-8")
        yield
    finally:
        lock.release()
