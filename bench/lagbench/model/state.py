"""How large the state is that a core carries from step to step, counted from what it returns."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from lagbench.contract import Architecture, Signature, State, Transducer
from lagbench.model.assembly import tensors
from lagbench.model.zeros import zeros_like_space
from lagbench.spec.pairing import Plan, PlanKind

STEPS = 64  # a state that is as large after so many steps as after one does not grow


@dataclass(frozen=True)
class Size:
    """How large something is: how many numbers, a complex one counted as two, in how many bytes."""

    numbers: float
    bytes: float


@dataclass(frozen=True)
class StateSize:
    """What is kept between steps for one example.

    first: after one step; of an encoder–decoder, after one of the source and one of the targets.
    per_step: what every further step adds, a target of an encoder–decoder; a mean over `STEPS`.
    per_source_step: what every further source step adds; None where there is no encoder.
    """

    first: Size
    per_step: Size
    per_source_step: Size | None


def state_size(plan: Plan, width: int) -> StateSize | None:
    """How large the state is that `extend` gives back; None where nothing is read step by step."""
    if not (plan.architecture.causal or plan.kind is PlanKind.TRANSDUCE):
        return None
    most = min(STEPS, plan.architecture.max_length or STEPS)
    first = _size(_state(plan, width, (1, 1), most))
    further = _growth(first, _size(_state(plan, width, (1, most), most)), most)
    if plan.kind is not PlanKind.TRANSDUCE:
        return StateSize(first, further, None)
    of_source = _growth(first, _size(_state(plan, width, (most, 1), most)), most)
    return StateSize(first, further, of_source)


def state_at_end(plan: Plan, width: int) -> Size | None:
    """What is carried for one example when all of it has been read and answered.

    Counted at the signature's own lengths, which a state may fill that does not grow for ever.
    None where nothing is read step by step.
    """
    if not (plan.architecture.causal or plan.kind is PlanKind.TRANSDUCE):
        return None
    read, answered = plan.signature.steps, plan.signature.target_steps
    written = {PlanKind.PREFIX: read + answered, PlanKind.TRANSDUCE: answered}
    steps = read, written.get(plan.kind, read)
    return _size(_state(plan, width, steps, max(steps)))


@torch.no_grad()
def _state(plan: Plan, width: int, steps: tuple[int, int], most: int) -> State:
    """The state after so many source steps and targets; a mixer reads the latter alone."""
    signature = replace(plan.signature, steps=most, target_steps=most)
    with torch.random.fork_rng(devices=[]):
        core = plan.architecture.build(width, signature)
    if isinstance(core, Transducer):
        source, prefix = (torch.zeros(1, count, width) for count in steps)
        return core.extend(prefix, core.start(source))[1]
    return core.extend(_source(plan.architecture, signature, width, steps[1]))[1]


def _source(architecture: Architecture, signature: Signature, width: int, steps: int) -> Tensor:
    """One example as the core reads it, of zeros: `(1, T, D)`, or raw as its space says."""
    if architecture.input_spaces is None:
        return torch.zeros(1, steps, width)
    return zeros_like_space(signature.source, steps)


def _size(state: State) -> Size:
    leaves = tensors(state)
    numbers = sum(leaf.numel() * (2 if leaf.is_complex() else 1) for leaf in leaves)
    return Size(numbers, sum(leaf.numel() * leaf.element_size() for leaf in leaves))


def _growth(first: Size, last: Size, steps: int) -> Size:
    """What each of the steps after the first has added."""
    further = max(steps - 1, 1)
    return Size((last.numbers - first.numbers) / further, (last.bytes - first.bytes) / further)
