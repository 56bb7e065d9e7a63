"""What workers need, imported by the process that they are forked from, and by no other.

Nothing here may start a thread or ask for a GPU: neither survives a fork. What cannot be imported
is left to the workers, who say why.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress


def _imports() -> Iterator[None]:

    yield

    yield
    from bench import registry

    yield
    registry.discover_built_in()
    yield
    from bench.tracking import opening

    opening.prepare()
    yield


_COMMAND = os.getppid()
signal.signal(signal.SIGINT, signal.SIG_IGN)  # whom Ctrl-C ends is the command
with suppress(Exception):
    for _ in _imports():
        if os.getppid() != _COMMAND:
            os._exit(1)
