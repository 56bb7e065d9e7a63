"""What holds for a task's answers: its oracle, optimum and chance."""

from unittest.mock import patch

import torch
from torch import Tensor

from lagbench.check.draws import Estimate, draw, estimate, large, loss_mask
from lagbench.contract import Batch, Metric, Task, Tokens


def oracle(task: Task, length: int) -> str:
    """The oracle answers from the source alone: no memory, no neighbours, no padding, no dice."""
    drawn = draw(task, length, 64)
    draw(task, length, 64, seed=1)  # what a memory of the last batch would hold
    answers = answered(task, length, drawn.source, drawn.source_mask)
    _formed(task, length, answers, drawn)
    flipped_mask = None if drawn.source_mask is None else drawn.source_mask.flip(0)
    again = answered(task, length, drawn.source.flip(0), flipped_mask)
    assert agree(again.flip(0), answers).all(), "It answers otherwise in another order of examples."
    head = slice(0, 1)
    mask = None if drawn.source_mask is None else drawn.source_mask[head]
    single = answered(task, length, drawn.source[head], mask)
    assert agree(single, answers[head]).all(), "It answers an example otherwise without the others."
    if drawn.source_mask is not None:
        padding = ~drawn.source_mask
        source = drawn.source.clone()
        source[padding] = drawn.source.flip(0, 1)[padding]
        moved = ~agree(answered(task, length, source, drawn.source_mask), answers)
        assert not (moved & loss_mask(drawn)).any(), "Its answers depend on what stands on padding."
    return ""


def optimum(task: Task, length: int) -> str:
    """The oracle reaches the stated optimum, and does not surpass it."""
    drawn, stated, chance = large(task, length), task.optimum(length), task.chance(length)
    answers = answered(task, length, drawn.source, drawn.source_mask)
    reached = estimate(task.metric, answers, drawn.target, loss_mask(drawn))
    if stated == task.metric.optimum:
        exact = abs(reached.value - stated) <= (0 if stated else 1e-9 * chance)
        assert exact, f"The oracle reaches {reached.value:.6g}, not {stated} exactly."
    assert abs(reached.value - stated) <= reached.margin, (
        f"The oracle reaches {reached.value:.6g} ± {reached.margin:.2g}; {stated:.6g} is stated."
    )
    return f"{reached.value:.4g} over {drawn.source.shape[0]} examples"


def chance(task: Task, length: int) -> str:
    """`chance` is what the best constant answer at each target position reaches: no less, no more.

    The constants fitted on one half of a sample do worse than the best on the other half, and
    those fitted on the whole do better on it: what is stated lies between.
    """
    drawn, stated = large(task, length), task.chance(length)
    asked, half = loss_mask(drawn), drawn.target.shape[0] // 2
    space = task.signature(length).target
    known, unknown = slice(half), slice(half, None)
    guesses = task.metric.constant(space, drawn.target[known], asked[known])
    worse = _guessed(task.metric, guesses, drawn.target[unknown], asked[unknown])
    guesses = task.metric.constant(space, drawn.target, asked)
    better = _guessed(task.metric, guesses, drawn.target, asked)
    sign = 1 if task.metric.higher_is_better else -1
    assert sign * (worse.value - stated) <= worse.margin, (
        f"A constant guess reaches {worse.value:.6g} ± {worse.margin:.2g}, better than the stated "
        f"chance of {stated:.6g}."
    )
    assert sign * (stated - better.value) <= better.margin, (
        f"The best constant guess reaches {better.value:.6g} ± {better.margin:.2g}, worse than the "
        f"stated chance of {stated:.6g}."
    )
    return f"{worse.value:.4g} to {better.value:.4g} by constants, {stated:.4g} stated"


def answered(task: Task, length: int, source: Tensor, mask: Tensor | None) -> Tensor:
    """The oracle's answers; it may neither draw a batch nor write on the source."""
    kept = source.clone()
    forbidden = AssertionError("The oracle calls `sample`.")
    with patch.object(type(task), "sample", side_effect=forbidden):
        answers = task.oracle(length, source, mask)
    assert torch.equal(source, kept), "The oracle writes on the source."
    assert len(answers) == len(source), f"It answers {len(answers)} of {len(source)} examples."
    return answers


def agree(a: Tensor, b: Tensor) -> Tensor:
    """Which answers are the same, `(B, U)`; values and log-probabilities to rounding."""
    if not a.is_floating_point():
        return a == b
    return torch.isclose(a, b, rtol=1e-4, atol=1e-5).all(-1)


def _formed(task: Task, length: int, answers: Tensor, drawn: Batch) -> None:
    """Assert that answers are tokens, values or log-probabilities, as the metric needs them."""
    shape = tuple(drawn.target.shape)
    if task.metric.log_probabilities:
        space = task.signature(length).target
        shape += (space.size,) if isinstance(space, Tokens) else ()
        off = answers.exp().sum(-1).sub(1).abs().max().item()
        assert off <= 1e-4, f"The oracle's probabilities sum to 1 only within {off:.1e}."
    else:
        assert answers.dtype is drawn.target.dtype, (
            f"The oracle answers in {answers.dtype}, and targets are {drawn.target.dtype}."
        )
    assert tuple(answers.shape) == shape, (
        f"The oracle's answers have the shape {tuple(answers.shape)}, not {shape}."
    )


def _guessed(kind: Metric, guesses: Tensor, target: Tensor, asked: Tensor) -> Estimate:
    answers = guesses.expand(target.shape[0], *guesses.shape)
    return estimate(kind, answers, target, asked)
