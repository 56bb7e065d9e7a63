"""The W&B project that a suite names."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

Name = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^[^/\\#?%:]*$")]


class Destination(BaseModel):
    """The `[wandb]` table of a suite; None: not said. It decides no number and enters no key."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    project: Name | None = None
    entity: Name | None = None
