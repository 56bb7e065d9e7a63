"""Where workers come from: on Linux, forks of one process that has imported what they need.

It is started as soon as a command is seen to train, before the command imports anything of weight
itself, so that both import at the same time; every worker, also one that replaces another, is
there at once. Elsewhere every worker is a fresh process, and imports for itself.
"""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from threading import Lock

from lagbench.run.executors.environment import WORKER_ENVIRONMENT

FORKS = sys.platform == "linux"  # macOS has libraries that do not survive a fork
CONTEXT = get_context("forkserver" if FORKS else "spawn")
TRAINING = ("run", "claims", "search")
WORKERLESS = {"--help", "--plan", "--suite", "inline", "ray", "--executor=inline", "--executor=ray"}
_OWN = {"PYTHONPATH", "PYTHONSAFEPATH"}
_STARTING = Lock()


def trains(words: Sequence[str]) -> bool:
    """Whether the words of a command look like one that will need workers of this machine."""
    return bool(words) and words[0] in TRAINING and WORKERLESS.isdisjoint(words)


def start() -> None:
    """See to it that workers can be forked; it may be called at any time, and does not wait."""
    if FORKS:
        from multiprocessing.forkserver import ensure_running

        CONTEXT.set_forkserver_preload(["lagbench.run.executors.preloaded"])
        with _STARTING, environment():
            ensure_running()


def adopt(asked: Mapping[str, str]) -> None:
    """In a worker: have the environment of the process that asked for it, as it was then."""
    for name in _OWN - asked.keys():
        os.environ.pop(name, None)
    os.environ.update(asked)


@contextmanager
def environment() -> Iterator[None]:
    """Inside, that of workers, as glibc reads it when a process begins, and Python finds this code.

    Else a folder named `lagbench` where the command was started would be imported in place of us.
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
