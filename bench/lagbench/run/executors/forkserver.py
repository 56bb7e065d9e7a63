"""Where worker processes come from: on Linux, forks of one process that has imported PyTorch.

The fork server starts as soon as a command line looks like training, before the command imports
anything heavy itself, so that both import at the same time. A run of nine tiny cells takes 18 s
with it and 25 s with spawned workers, which import for themselves; so it is elsewhere.
"""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from threading import Lock

# glibc returns large blocks to the system after every step unless told to keep them: 1.3 to 1.8
# times the speed on long recurrences. One thread a process: two processes are worth more.
WORKER_ENVIRONMENT = {
    "MALLOC_MMAP_THRESHOLD_": str(2**30),
    "MALLOC_TRIM_THRESHOLD_": str(2**31 - 1),
    "MALLOC_TOP_PAD_": str(2**28),
    "OMP_NUM_THREADS": "1",
    # Python cleans up after a killed worker, and need not say so.
    "PYTHONWARNINGS": "ignore:resource_tracker:UserWarning",
}
FORKS = sys.platform == "linux"  # macOS has libraries that do not survive a fork
CONTEXT = get_context("forkserver" if FORKS else "spawn")
TRAINING = ("run", "claims", "search")
WORKERLESS = {"--help", "--plan", "--suite", "inline", "ray", "--executor=inline", "--executor=ray"}
_OWN = {"PYTHONPATH", "PYTHONSAFEPATH"}
_STARTING = Lock()


def trains(words: Sequence[str]) -> bool:
    """Whether the words of a command line look like one that needs workers on this machine."""
    return bool(words) and words[0] in TRAINING and WORKERLESS.isdisjoint(words)


def start() -> None:
    """Start the fork server unless it runs; does not wait for it."""
    if FORKS:
        from multiprocessing.forkserver import ensure_running

        CONTEXT.set_forkserver_preload(["lagbench.run.executors.preloaded"])
        with _STARTING, environment():
            ensure_running()


def apply_environment(variables: Mapping[str, str]) -> None:
    """In a worker: take over the environment of the process that asked for it."""
    for name in _OWN - variables.keys():
        os.environ.pop(name, None)
    os.environ.update(variables)


@contextmanager
def environment() -> Iterator[None]:
    """Set the workers' environment, which glibc reads when a process starts, within the block.

    With `PYTHONSAFEPATH`, no folder named `lagbench` in the working directory is imported.
    """
    path = os.pathsep.join(folder or str(Path.cwd()) for folder in sys.path)
    changed = {**WORKER_ENVIRONMENT, **os.environ, "PYTHONPATH": path, "PYTHONSAFEPATH": "1"}
    before = {name: os.environ.get(name) for name in (*WORKER_ENVIRONMENT, *_OWN)}
    os.environ.update(changed)
    try:
        yield
    finally:
        for name, value in before.items():
            del os.environ[name]
            if value is not None:
                os.environ[name] = value
