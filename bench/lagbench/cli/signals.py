"""Ctrl-C, and the SIGTERM of a scheduler: once to stop in order, twice to stop at once."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from lagbench.cli.app import say


class Interrupted(KeyboardInterrupt):
    """A signal asks the command to end; `status` is the exit status."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.status = 128 + number


@contextmanager
def interruptible() -> Iterator[None]:
    """Raise `Interrupted` at the first signal and end the process at the second.

    Worker processes end with it: they watch the process that started them.
    """
    signals: list[int] = []

    def stop(number: int, _: FrameType | None) -> None:
        signals.append(number)
        if len(signals) > 1:
            os._exit(128 + number)
        raise Interrupted(number)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def kept_when_interrupted() -> Iterator[None]:
    """Exit at the first signal, and say that what is done is kept."""
    try:
        with interruptible():
            yield
    except Interrupted as interruption:
        say("Interrupted; what is done is kept. The same command goes on from there.")
        sys.exit(interruption.status)
