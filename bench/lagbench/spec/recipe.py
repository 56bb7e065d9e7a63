"""The recipe: how every model of a comparison is trained and evaluated."""

import math
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from lagbench.spec.decoding import Decoding

Feed = Literal["own", "none"]


class Recipe(BaseModel):
    """Optimisation, evaluation, stopping and decoding; all but `keep` are part of a trial's key."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: int = Field(default=1000, ge=1)
    batch_size: int = Field(default=64, ge=1)
    warmup: int = Field(default=0, ge=0)  # steps over which the learning rate rises linearly
    schedule: Literal["constant", "cosine", "linear"] = "constant"
    weight_decay: float = Field(default=0.0, ge=0)  # decoupled, as in AdamW
    betas: tuple[float, float] = (0.9, 0.999)
    clip: float | None = Field(default=1.0, gt=0)  # largest norm of a replica's gradient
    evaluate_every: int = Field(default=100, ge=1)  # steps
    validation_examples: int = Field(default=500, ge=1)
    test_examples: int = Field(default=2000, ge=1)
    solved_at: float = Field(default=0.99, gt=0, le=1)  # score that counts as solved
    stop: Literal["solved", "never"] = "solved"
    """`solved`: a cell stops at the first evaluation by which one learning rate has solved the task
    with every seed. `never`: all steps are trained."""
    feed: Feed = "own"
    """What an autoregressive model reads at a target step: `own`, the token before (the true one in
    training, its own in a test), or `none`, as an ablation."""
    decoding: Decoding = Decoding()  # how it chooses tokens in a test
    keep: Literal["none", "best"] = "none"
    """`best`: the weights of scored trials are kept, so that they can be probed again."""
    drop_behind: float | None = Field(default=None, gt=0)
    """After a quarter and after half of the steps, a learning rate whose mean validation score over
    seeds is further behind the best than this stops training; None: none does."""

    def drops_at(self, before: int, now: int) -> bool:
        """Whether a quarter or half of the steps lies in the interval `(before, now]`."""
        if self.drop_behind is None:
            return False
        return any(before < self.steps * share <= now for share in (0.25, 0.5))

    def rate_factor(self, step: int) -> float:
        """The factor of the learning rate at `step`, counted from 0."""
        if step < self.warmup:
            return (step + 1) / self.warmup
        if self.schedule == "constant":
            return 1.0
        progress = (step - self.warmup) / max(1, self.steps - self.warmup)
        if self.schedule == "linear":
            return 1.0 - progress
        return 0.5 * (1.0 + math.cos(math.pi * progress))
