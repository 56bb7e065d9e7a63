"""What holds along time: causality, and that extending step by step is the forward pass.

Outputs go in step with the source of a mixer, and with the prefix of an encoder–decoder, whose
core is causal in it always.
"""

from typing import Any

import torch
from torch import Tensor

from lagbench.check.calling import ROUNDING, InChunks, gap, run
from lagbench.check.inputs import (
    BATCH,
    LONG,
    STEPS,
    Core,
    Inputs,
    another,
    core,
    inputs,
    lengthened,
    normal,
    writes,
)
from lagbench.check.results import NotApplicable
from lagbench.contract import Architecture, Signature, State, Transducer


def causality(architecture: Architecture, signature: Signature) -> str:
    """No output before step t moves when the input at t does, exactly where it is declared causal.

    For an encoder–decoder, the input is the prefix. A core that is declared not causal must look
    ahead: or else the declaration keeps it from tasks that it could run.
    """
    subject, given = core(architecture, signature), inputs(architecture, signature)
    if given.steps.shape[1] < 2:
        return NotApplicable("it reads one step only")
    moved = _moved_ahead(subject, given, signature, tuple(range(1, given.steps.shape[1])))
    if not writes(architecture):
        assert moved > ROUNDING, "Declared not causal, but no output moves with a later input."
        return "not causal, as declared"
    assert moved <= ROUNDING, f"An output moves by {moved:.1e} with a later input."
    leak = _gradient_ahead(subject, given)
    assert leak <= ROUNDING, f"An output has the gradient {leak:.1e} to a later input."
    far = lengthened(architecture, signature)
    subject, given = core(architecture, far), inputs(architecture, far, (BATCH, LONG))
    moved = _moved_ahead(subject, given, far, (given.steps.shape[1] // 2,))
    assert moved <= ROUNDING, f"Over many steps, an output moves by {moved:.1e} with a later input."
    return f"causal, over {given.steps.shape[1]} steps too"


def extension(architecture: Architecture, signature: Signature) -> str:
    """Reading step by step, or in uneven chunks, gives the outputs of reading at once."""
    if not writes(architecture):
        return NotApplicable("not causal: extend is not asked for")
    far = lengthened(architecture, signature)
    for stated, shape in ((signature, (BATCH, STEPS)), (far, (1, LONG))):
        subject, given = core(architecture, stated), inputs(architecture, stated, shape)
        expected = run(subject, given)
        steps = given.steps.shape[1]
        for chunk in (1, 3, steps // 2 + 1, steps):
            outputs = InChunks(subject, chunk)(given.source, given.mask, given.prefix)
            moved = gap(outputs, expected)
            assert moved <= ROUNDING, (
                f"Extended by {chunk} of {steps} steps, outputs differ from `forward` by "
                f"{moved:.1e}."
            )
    return f"{STEPS} and {steps} steps"


def state(architecture: Architecture, signature: Signature) -> str:
    """States have the batch first: examples taken from a state go on as those examples."""
    if not writes(architecture):
        return NotApplicable("not causal: extend is not asked for")
    subject, given = core(architecture, signature), inputs(architecture, signature)
    expected, steps = run(subject, given), given.steps
    start: State = None
    if isinstance(subject, Transducer):
        start = subject.start(given.source, given.mask)
    rows_ = torch.tensor([2, 0, 0, 1])  # as beams are kept, dropped and doubled
    for seen in range(1 if start is None else 0, steps.shape[1]):
        reached = start if seen == 0 else subject.extend(steps[:, :seen], start)[1]
        outputs, _ = subject.extend(steps[rows_, seen:], _select_rows(reached, rows_))
        moved = gap(outputs, expected[rows_, seen:])
        assert moved <= ROUNDING, f"After {seen} steps, examples taken differ by {moved:.1e}."
    return ""


def _moved_ahead(
    subject: Core, given: Inputs, signature: Signature, cuts: tuple[int, ...]
) -> float:
    """How far outputs before a cut move when all inputs from there on do."""
    expected, other = run(subject, given), another(given.steps, signature)
    largest = 0.0
    for step in cuts:
        changed = torch.cat([given.steps[:, :step], other[:, step:]], dim=1)
        outputs = run(subject, given.with_steps(changed))
        largest = max(largest, gap(outputs[:, :step], expected[:, :step]))
    return largest


def _gradient_ahead(subject: Core, given: Inputs) -> float:
    """The largest gradient of an output to a later input, beside the largest gradient of all."""
    if not given.steps.is_floating_point():
        return 0.0
    steps = given.steps.clone().requires_grad_()
    outputs = run(subject, given.with_steps(steps))
    weighted = outputs * normal(tuple(outputs.shape), seed=7)
    ahead, largest = 0.0, 1e-300
    for step in range(1, steps.shape[1]):
        loss = weighted[:, :step].sum()
        (gradient,) = torch.autograd.grad(loss, steps, retain_graph=True)
        ahead = max(ahead, gradient[:, step:].abs().max().item())
        largest = max(largest, gradient.abs().max().item())
    return ahead / largest


def _select_rows(state: Any, rows: Tensor) -> Any:
    """The state of some examples, the same one perhaps several times."""
    if isinstance(state, Tensor):
        return state[rows]
    assert isinstance(state, tuple), (
        f"A state holds a {type(state).__name__}; it may hold tensors and tuples of them."
    )
    parts = [_select_rows(part, rows) for part in state]
    return type(state)._make(parts) if hasattr(state, "_make") else tuple(parts)
