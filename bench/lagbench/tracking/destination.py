"""Where runs are tracked: what the command says, then the environment, then the suite.

The environment is one person's, a suite is everybody's: so the first goes before the second. A
suite says no mode: running somebody's suite sends nothing anywhere.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from pydantic import TypeAdapter, ValidationError

from lagbench.contract import UserError
from lagbench.registry import nearest
from lagbench.spec.destination import Destination, Name

Mode = Literal["offline", "online", "disabled"]
MODES: tuple[Mode, ...] = get_args(Mode)
PROJECT = "lagbench"


@dataclass(frozen=True)
class Tracking:
    """Where trials are tracked."""

    mode: Mode = "offline"
    folder: Path = Path()  # W&B's files lie in `folder/wandb`
    project: str = PROJECT
    entity: str | None = None  # None: whom the key belongs to


@dataclass(frozen=True)
class CliWandbOptions:
    """The W&B options of a command; None: not given."""

    mode: str | None = None
    project: str | None = None
    entity: str | None = None


def destination(
    options: CliWandbOptions,
    suite: Destination,
    folder: Path = Path(),
    environment: Mapping[str, str] = os.environ,
) -> Tracking:
    """Where to track: options before environment before suite; the default mode is offline.

    Raises `UserError` where a mode does not exist, or a name is not one that W&B takes.
    """
    project = options.project or environment.get("WANDB_PROJECT") or suite.project or PROJECT
    entity = options.entity or environment.get("WANDB_ENTITY") or suite.entity
    return Tracking(
        _mode(options.mode or environment.get("WANDB_MODE") or "offline"),
        folder,
        _name("project", project),
        None if entity is None else _name("entity", entity),
    )


def _mode(text: str) -> Mode:
    for mode in MODES:
        if text == mode:
            return mode
    raise UserError(f"W&B has no mode {text!r} here; {nearest(text, MODES)}")


def _name(of: str, text: str) -> str:
    try:
        return TypeAdapter(Name).validate_python(text)
    except ValidationError:
        raise UserError(
            f"{text!r} is no W&B {of}: it has 1 to 128 characters, none of /\\#?%: among them."
        ) from None
