"""What workers need, imported by the process that they are forked from, and by no other.

Nothing here may start a thread or ask for a GPU: neither survives a fork. What cannot be imported
is left to the workers, who say why.
"""

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module


def _prepare_tracking() -> None:
    from bench.tracking import opening

    opening.prepare()


def _discover() -> None:
    from bench import registry

    registry.discover_built_in()


PARTS: tuple[Callable[[], object], ...] = (
    lambda: import_module("torch"),
    lambda: import_module("bench.run.cell"),  # and Lightning with it
    _discover,
    _prepare_tracking,
)

_COMMAND = os.getppid()
signal.signal(signal.SIGINT, signal.SIG_IGN)  # whom Ctrl-C ends is the command
with suppress(Exception):
    for part in PARTS:
        part()
        if os.getppid() != _COMMAND:
            os._exit(1)
