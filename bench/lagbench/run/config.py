"""What a command asks for, and what a worker process needs of it. Nothing here decides a number."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from lagbench.spec.suite import Suite
from lagbench.tracking import Tracking

if TYPE_CHECKING:
    from lagbench.run.executor import Executor

NO_TRACKING = Tracking("disabled")


@dataclass(frozen=True)
class Limits:
    """What a cell may use; None: no limit.

    seconds: of wall-clock time. memory: bytes on top of what an idle worker has.
    """

    seconds: float | None = None
    memory: int | None = None


@dataclass(frozen=True)
class WorkerConfig:
    """What a worker process is given before its first cell.

    cache: the folder that keeps fixed splits; None: they are drawn again.
    group: optimiser steps whose batches are held at once; None: the usual number.
    plugins: files to import before any cell.
    """

    suite: str
    cache: Path | None = None
    device: str = "cpu"
    group: int | None = None
    tracking: Tracking = NO_TRACKING
    plugins: tuple[Path, ...] = ()
    limits: Limits = Limits()


@dataclass(frozen=True)
class RunConfig:
    """What `run`, `search`, `claims` and `agent` are asked to do, where and how.

    retry_failed: train cells again that failed, timed out or ran out of memory.
    """

    suite: Suite
    out: Path
    executor: "Executor"
    tracking: Tracking = NO_TRACKING
    plugins: tuple[Path, ...] = ()
    device: str = "cpu"
    command: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)
    retry_failed: bool = False

    def for_workers(self, cache: Path) -> WorkerConfig:
        """The part that worker processes need."""
        return WorkerConfig(
            self.suite.name,
            cache,
            self.device,
            tracking=self.tracking,
            plugins=self.plugins,
            limits=self.limits,
        )
