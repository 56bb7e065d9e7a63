"""What an architecture comes to in numbers: parameters at a budget, state, orders in the length."""

from collections.abc import Iterable
from dataclasses import dataclass

from lagbench.contract import Architecture, Cost, Task, UserError
from lagbench.model.state import Size, StateSize, state_size
from lagbench.model.width import parameter_count, width_for
from lagbench.registry import Named
from lagbench.spec.budget import Budget
from lagbench.spec.pairing import PlanKind, Unsupported, match


@dataclass(frozen=True)
class Facts:
    """One architecture on one task, at a width; state: None where it cannot read step by step."""

    task: str
    length: int
    plan: PlanKind
    width: int
    parameters: int
    budget: int | None  # the parameters that were asked for; None: a width was
    state: StateSize | None


def facts(architecture: Architecture, tasks: Iterable[Named[Task]], budget: Budget) -> Facts | None:
    """The facts on the first of the tasks that it can run within the budget; None: on none.

    A task is taken at the shortest of its usual lengths.
    """
    for task in tasks:
        length = task.value.lengths[0]
        plan = match(architecture, task.value.signature(length))
        if isinstance(plan, Unsupported):
            continue
        try:
            width = width_for(plan, budget)
        except UserError:
            continue
        parameters, state = parameter_count(plan, width), state_size(plan, width)
        wanted = budget.parameters
        return Facts(task.name, length, plan.kind, width, parameters, wanted, state)
    return None


def wording(facts: Facts | None, cost: Cost | None) -> dict[str, str]:
    """The same for a person to read, and the cost in the length."""
    told = {"parameters": "none: no task that it can run fits the budget"}
    if facts is not None:
        budget = "" if facts.budget is None else f" for a budget of {facts.budget}"
        told = {
            "parameters": f"{facts.parameters} at width {facts.width}{budget}, "
            f"on {facts.task} at length {facts.length}",
            "state": _state(facts.state),
        }
    if cost is not None:
        told["compute"] = f"of order {cost.compute}: operations of one pass over T steps"
        told["path"] = f"of order {cost.path}: operations between the steps furthest apart"
        told["sequential"] = f"of order {cost.sequential}: operations that follow one another"
    return told


def _state(state: StateSize | None) -> str:
    """Its size for one example, and how it grows."""
    if state is None:
        return "none: it cannot read step by step"
    growths = [
        f"{_size(growth)} a {step}"
        for growth, step in (
            (state.per_source_step, "source step"),
            (state.per_step, "step" if state.per_source_step is None else "target step"),
        )
        if growth is not None and growth.numbers
    ]
    if not growths:
        return f"{_size(state.first)} an example, after any number of steps"
    return f"{_size(state.first)} an example after one step; grows by {' and '.join(growths)}"


def _size(size: Size) -> str:
    return f"{size.numbers:g} numbers ({size.bytes:g} bytes)"
