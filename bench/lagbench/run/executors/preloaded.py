"""Imported by the fork server alone: what workers need, so that every fork has it at once.

Nothing here may start a thread or use a GPU: neither survives a fork. Errors are left to the
workers, which import the same and report them.
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
    from lagbench.tracking import runs

    runs.prepare()


_COMMAND = os.getppid()
gc.disable()  # imported objects stay: the collector need not visit them in any worker
signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the command, which ends its workers
with suppress(Exception):
    for step in (_import_torch, _import_lightning, _discover, _prepare_tracking):
        step()
        if os.getppid() != _COMMAND:
            os._exit(1)
gc.freeze()
gc.enable()
