"""Opening W&B runs: lean, offline, as many at once as there are; and keeping what they raise."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from lagbench.tracking.destination import Tracking

TAG = 64  # characters that W&B takes


@dataclass(frozen=True)
class Identity:
    """What tells a run from others."""

    key: str  # the run's id begins with it
    name: str
    job_type: str
    group: str
    tags: Sequence[str]
    config: dict[str, Any] = field(default_factory=dict)


class Guard:
    """Calls into W&B that cost a warning at worst: the first to fail is the last to be tried."""

    def __init__(self) -> None:
        self.warning: str | None = None

    def __call__(self, call: Callable[[], object]) -> None:
        """Make a call, unless one before it failed."""
        if self.warning is not None:
            return
        try:
            call()
        except Exception as error:  # whatever W&B raises must not cost a result
            self.warning = f"W&B stopped tracking: {type(error).__name__}: {error}"


def prepare() -> None:
    """Import what runs need, which takes a second; nothing of W&B is started yet."""
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    import wandb.proto.wandb_internal_pb2  # noqa: F401  and all of W&B with it


def opened(tracking: Tracking, identity: Identity) -> Any:
    """A new run, written to the disk alone; any number may be open at once.

    Its id is the key and twelve random characters: another sitting's run of the same trial, perhaps
    of another commit, is another run.
    """
    import wandb

    tracking.folder.mkdir(parents=True, exist_ok=True)
    return wandb.init(
        mode="offline",
        dir=tracking.folder,
        project=tracking.project,
        entity=tracking.entity,
        id=f"{identity.key}-{uuid4().hex[:12]}",
        name=identity.name,
        group=identity.group[:128],
        job_type=identity.job_type,
        tags=list(dict.fromkeys(tag[:TAG] for tag in identity.tags)),
        config=identity.config,
        reinit="create_new",
        settings=lean(),
    )


def lean() -> Any:
    """W&B's settings without whatever a run of ten milliseconds has no use for.

    No console, machine statistics, requirements, code or git: the records have those. What is
    logged is on the disk within a second.
    """
    import wandb

    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    return wandb.Settings(
        console="off",
        x_disable_stats=True,
        x_disable_meta=True,
        x_save_requirements=False,
        x_transaction_log_flush_interval=1,
        save_code=False,
        disable_git=True,
        disable_job_creation=True,
        silent=True,
        symlink=False,
    )


@contextmanager
def staged_in(folder: Path) -> Iterator[None]:
    """Let copies of tables and artifacts lie beside the runs, and not in the user's home."""
    before = os.environ.get("WANDB_DATA_DIR")
    os.environ["WANDB_DATA_DIR"] = str((folder / "wandb").resolve())
    try:
        yield
    finally:
        del os.environ["WANDB_DATA_DIR"]
        if before is not None:
            os.environ["WANDB_DATA_DIR"] = before
