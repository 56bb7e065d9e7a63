"""Equal budgets: the width at which a plan's model has about so much of what is to be equal."""

from collections.abc import Callable
from functools import cache
from math import sqrt

import torch

from lagbench.contract import UserError
from lagbench.model.assembly import assemble
from lagbench.model.operations import forward_operations
from lagbench.model.state import state_at_end
from lagbench.spec.budget import Budget
from lagbench.spec.pairing import Plan

FAR = 64  # multiples of a width; what has not grown by then does not grow
TOLERANCE = 0.1  # a model further from its budget than this is refused, not trained


def width_for(plan: Plan, budget: Budget) -> int:
    """The width that fits the budget best; `UserError` where none comes within `TOLERANCE`."""
    multiple = plan.architecture.width_multiple
    if budget.width is not None:
        if budget.width % multiple:
            raise UserError(f"its width must be a multiple of {multiple}, not {budget.width}")
        return budget.width
    ((name, wanted),) = budget.stated.items()
    measure, words = _MEASURES[name]
    count = cache(lambda multiples: measure(plan, multiples * multiple))
    if count(1) <= wanted and count(1) == count(FAR):
        raise UserError(f"its {words} do not grow with its width, so no width comes to {wanted}")
    below = _most_within(count, wanted)
    best = min(max(1, below), below + 1, key=lambda multiples: abs(count(multiples) - wanted))
    if abs(count(best) - wanted) > TOLERANCE * wanted:
        raise UserError(
            f"no width comes within {TOLERANCE:.0%} of {wanted} {words}: "
            f"the nearest, {best * multiple}, has {count(best)}"
        )
    return best * multiple


def budget_error(plan: Plan, width: int, budget: Budget) -> float | None:
    """By what share a model of that width has more or less than its budget; None: a width is one.

    At most `TOLERANCE` either way.
    """
    ((name, wanted),) = budget.stated.items()
    if name == "width":
        return None
    measure, _ = _MEASURES[name]
    return (measure(plan, width) - wanted) / wanted


def parameter_count(plan: Plan, width: int) -> int:
    """Trainable numbers of the whole model, ends included."""
    with torch.random.fork_rng(devices=[]):
        return sum(p.numel() for p in assemble(plan, width).parameters() if p.requires_grad)


def _numbers_carried(plan: Plan, width: int) -> int:
    size = state_at_end(plan, width)
    if size is None:
        raise UserError("it carries no state from step to step")
    return int(size.numbers)


_MEASURES: dict[str, tuple[Callable[[Plan, int], int], str]] = {
    "parameters": (parameter_count, "parameters"),
    "flops": (forward_operations, "operations an example"),
    "state": (_numbers_carried, "numbers of state"),
}


def _most_within(count: Callable[[int], int], wanted: int) -> int:
    """The largest number with at most so large a count, which grows with it; 0 if there is none.

    Counts can take a second each: they are taken to grow about as a square, and where the next
    guess is not in the middle it is where a square would be.
    """
    low, high = 0, 1
    while count(high) <= wanted:
        low, high = high, 2 * high
    halve = False
    while high - low > 1:
        middle = (low + high) // 2
        if low and not halve:
            least, most = sqrt(count(low)), sqrt(count(high))
            middle = low + int((high - low) * (sqrt(wanted) - least) / (most - least))
        middle = min(max(middle, low + 1), high - 1)
        low, high = (middle, high) if count(middle) <= wanted else (low, middle)
        halve = not halve
    return low
