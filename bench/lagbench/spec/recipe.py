"""How every model of a comparison is trained."""

import math
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from lagbench.spec.decoding import Decoding

Feed = Literal["own", "none"]


class Recipe(BaseModel):
    """Optimisation, evaluation and stopping: with one exception, part of what decides a trial."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: int = Field(default=1000, ge=1)
    batch_size: int = Field(default=64, ge=1)
    warmup: int = Field(default=0, ge=0)  # steps over which the rate rises linearly
    schedule: Literal["constant", "cosine", "linear"] = "constant"
    weight_decay: float = Field(default=0.0, ge=0)  # decoupled, as in AdamW
    betas: tuple[float, float] = (0.9, 0.999)
    clip: float | None = Field(default=1.0, gt=0)  # largest norm of a replica's gradient
    evaluate_every: int = Field(default=100, ge=1)  # steps
    validation_examples: int = Field(default=500, ge=1)
    test_examples: int = Field(default=2000, ge=1)
    solved_at: float = Field(default=0.99, gt=0, le=1)  # score that counts as solved
    stop: Literal["solved", "never"] = "solved"
    """`solved`: a cell ends at the first evaluation by which one learning rate has solved the task
    with every seed. `never`: every cell trains all its steps."""
    feed: Feed = "own"
    """What models that write their answer read of it as they go on: `own`, the symbol before (the
    true one in training, their own in a test), or `none`, to show what reading it is worth."""
    decoding: Decoding = Decoding()  # how they choose the symbols in a test
    keep: Literal["none", "best"] = "none"
    """`best`: the weights of the trials that are scored are kept, so that they can be probed
    again. This one decides no number, and is no part of a trial's key."""

    drop_behind: float | None = Field(default=None, gt=0)
    """After a quarter and after half of the steps, a learning rate whose mean validation score over
    seeds is further behind the best one's than this trains no more; None: all train on."""

    def drops_at(self, before: int, now: int) -> bool:
        """Whether a quarter or half of the steps lies after step `before` and not after `now`."""
        if self.drop_behind is None:
            return False
        return any(before < self.steps * share <= now for share in (0.25, 0.5))

    def rate_factor(self, step: int) -> float:
        """What the learning rate is multiplied with at `step`, counted from 0."""
        if step < self.warmup:
            return (step + 1) / self.warmup
        if self.schedule == "constant":
            return 1.0
        progress = (step - self.warmup) / max(1, self.steps - self.warmup)
        if self.schedule == "linear":
            return 1.0 - progress
        return 0.5 * (1.0 + math.cos(math.pi * progress))
