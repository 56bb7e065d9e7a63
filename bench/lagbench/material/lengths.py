"""How long each example of a batch is, and the masks that say so."""

import torch
from torch import Tensor

from lagbench.contract import UserError


def require(task: str, length: int, minimum: int) -> None:
    """Raise `UserError` where a length is below the least that a task can be made at."""
    if length < minimum:
        raise UserError(f"{task} needs a length of at least {minimum}, not {length}.")


def require_share(task: str, shortest: float) -> None:
    """Raise `UserError` where the shortest's share of the longest is no share."""
    if not 0 <= shortest <= 1:
        raise UserError(f"{task} needs a share from 0 to 1 as shortest, not {shortest}.")


def least(longest: int, shortest: float) -> int:
    """The fewest steps of an example: the share `shortest` of the most, and at least one."""
    return max(1, round(longest * shortest))


def draw(longest: int, shortest: float, count: int, generator: torch.Generator) -> Tensor:
    """`(B,)` numbers of steps, uniform over `least(longest, shortest) … longest`."""
    return torch.randint(least(longest, shortest), longest + 1, (count,), generator=generator)


def mask(steps: Tensor, longest: int) -> Tensor:
    """`(B, longest)` bool, true on the first `steps` `(B,)` positions of each row."""
    return torch.arange(longest) < steps[:, None]


def real_steps(source: Tensor, source_mask: Tensor | None) -> Tensor:
    """`(B,)` numbers of real steps of a source `(B, T, …)`; without a mask, all are real."""
    if source_mask is None:
        return torch.full(source.shape[:1], source.shape[1])
    return source_mask.sum(1)
