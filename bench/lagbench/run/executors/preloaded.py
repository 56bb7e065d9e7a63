"""What workers need, imported by the process that they are forked from, and by no other.

Nothing here may start a thread or ask for a GPU: neither survives a fork. What cannot be imported
is left to the workers, who say why.
"""

import gc
import os
import signal
from contextlib import suppress


def _import_torch() -> None:
    import torch  # noqa: F401


def _import_lightning() -> None:
    import lagbench.run.cell  # noqa: F401


def _discover() -> None:
    from lagbench import registry

    registry.discover_built_in()


def _prepare_tracking() -> None:
    from lagbench.tracking import opening

    opening.prepare()


_COMMAND = os.getppid()
gc.disable()  # what is imported stays, and is nothing that workers should look through
signal.signal(signal.SIGINT, signal.SIG_IGN)  # whom Ctrl-C ends is the command
with suppress(Exception):
    for part in (_import_torch, _import_lightning, _discover, _prepare_tracking):
        part()
        if os.getppid() != _COMMAND:
            os._exit(1)
gc.freeze()
gc.enable()
