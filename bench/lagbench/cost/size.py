"""The size of an architecture in numbers: parameters at a budget, state, orders in the length."""

from collections.abc import Iterable
from dataclasses import dataclass

from lagbench.contract import Architecture, Cost, Task, UserError
from lagbench.model.state import Size, StateSize, state_size
from lagbench.model.width import parameter_count, width_for
from lagbench.registry import Named
from lagbench.spec.budget import Budget
from lagbench.spec.pairing import PlanKind, Unsupported, match


@dataclass(frozen=True)
class ModelSize:
    """One architecture on one task, at a width; state: None where it cannot read step by step."""

    task: str
    length: int
    plan: PlanKind
    width: int
    parameters: int
    budget: int | None  # parameters asked for; None: the budget is another quantity
    state: StateSize | None


def model_size(
    architecture: Architecture, tasks: Iterable[Named[Task]], budget: Budget
) -> ModelSize | None:
    """The size on the first supported task, at its shortest length; None: there is none."""
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
        return ModelSize(task.name, length, plan.kind, width, parameters, budget.parameters, state)
    return None


def describe(size: ModelSize | None, cost: Cost | None) -> dict[str, str]:
    """Size and cost in the length, in words."""
    words = {"parameters": "none: no task that it can run fits the budget"}
    if size is not None:
        budget = "" if size.budget is None else f" for a budget of {size.budget}"
        words = {
            "parameters": f"{size.parameters} at width {size.width}{budget}, "
            f"on {size.task} at length {size.length}",
            "state": _describe_state(size.state),
        }
    if cost is not None:
        words["compute"] = f"of order {cost.compute}: operations of one pass over T steps"
        words["path"] = f"of order {cost.path}: operations between the steps furthest apart"
        words["sequential"] = f"of order {cost.sequential}: operations that follow one another"
    return words


def _describe_state(state: StateSize | None) -> str:
    """Its size for one example, and how it grows."""
    if state is None:
        return "none: it cannot read step by step"

    def numbers(size: Size) -> str:
        return f"{size.numbers:g} numbers ({size.bytes:g} bytes)"

    step = "step" if state.per_source_step is None else "target step"
    growths = [
        f"{numbers(growth)} a {name}"
        for growth, name in ((state.per_source_step, "source step"), (state.per_step, step))
        if growth is not None and growth.numbers
    ]
    if not growths:
        return f"{numbers(state.first)} an example, after any number of steps"
    return f"{numbers(state.first)} an example after one step; grows by {' and '.join(growths)}"
