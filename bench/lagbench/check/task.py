"""What holds for the data of every task: lengths, signatures, shapes, padding.

Each check takes a task, and most of them a length; see `lagbench.check.results`. How batches are
drawn is in `lagbench.check.streams`, and what the answers are worth in
`lagbench.check.predictions`.
"""

import re

import torch
from torch import Tensor

from lagbench.check.draws import draw, large, loss_mask
from lagbench.contract import (
    Alignment,
    Batch,
    Frames,
    Reals,
    Signature,
    Space,
    Task,
    Tokens,
    UserError,
)

TRIED = (*range(1, 34), 64, 97, 100)  # lengths that are possible, or else refused with a sentence


def lengths(task: Task) -> str:
    """The usual lengths are possible, and impossible ones are refused with one sentence."""
    usual = task.lengths
    assert usual, "It has no usual lengths."
    assert list(usual) == sorted(set(usual)), f"Its lengths are {usual}, not rising."
    for length in usual:
        task.signature(length)
    for length in (-1, 0):
        assert not possible(task, length), f"It does not refuse the length {length}."
    tried = [length for length in TRIED if possible(task, length)]
    for length in tried[:8]:
        conforms(draw(task, length, 2), task.signature(length), 2)
    return f"{len(tried)} of the {len(TRIED)} lengths tried are possible"


def possible(task: Task, length: int) -> bool:
    """Whether the task has this length; what it refuses, it refuses with one sentence."""
    try:
        task.signature(length)
    except Exception as error:
        refusal = error
    else:
        return True
    kind, text = type(refusal).__name__, str(refusal)
    assert isinstance(refusal, UserError), (
        f"It refuses the length {length} with {kind}: {text}, not with an UserError."
    )
    assert re.fullmatch(r"\S+ .+ .+\.", text), (
        f"It refuses the length {length} with {text!r}, which is no sentence."
    )
    return False


def signature(task: Task, length: int) -> str:
    """The signature fits its alignment, and chance and optimum its metric."""
    stated = task.signature(length)
    assert min(stated.steps, stated.target_steps) >= 1, "Source and target need at least a step."
    match stated.alignment:
        case Alignment.POOLED:
            assert stated.target_steps == 1, f"Pooled, but with {stated.target_steps} targets."
        case Alignment.ALIGNED:
            assert stated.target_steps == stated.steps, "Aligned, but with fewer or more targets."
    assert not stated.causal or stated.alignment is Alignment.ALIGNED, (
        f"Only aligned tasks are causal, and this one is {stated.alignment}."
    )
    assert isinstance(stated.target, task.metric.target), (
        f"The metric {task.metric.name} does not fit targets that are {stated.target}."
    )
    end = stated.target.end if isinstance(stated.target, Tokens) else None
    assert end is None or 0 <= end < stated.target.size, f"Its end {end} is no symbol of its own."  # type: ignore[union-attr]
    chance, optimum = task.chance(length), task.optimum(length)
    better = optimum > chance if task.metric.higher_is_better else optimum < chance
    assert better, f"Its optimum {optimum} is no better than its chance {chance}."
    return f"chance {chance:.4g}, optimum {optimum:.4g}"


def batch(task: Task, length: int) -> str:
    """Batches have the shapes, types and ranges that the signature states."""
    for count in (1, 16):
        conforms(draw(task, length, count), task.signature(length), count)
    return ""


def conforms(drawn: Batch, stated: Signature, count: int) -> None:
    """Assert that a batch of `count` examples is as the signature states."""
    _sequence("source", drawn.source, stated.source, (count, stated.steps))
    _sequence("target", drawn.target, stated.target, (count, stated.target_steps))
    for name, mask, steps in (
        ("source_mask", drawn.source_mask, stated.steps),
        ("target_mask", drawn.target_mask, stated.target_steps),
    ):
        if mask is not None:
            _tensor(name, mask, (count, steps), torch.bool)
    if drawn.lag is not None:
        _tensor("lag", drawn.lag, (count, stated.target_steps), torch.int64)


def padding(task: Task, length: int) -> str:
    """Padding stands at the end alone, and is there exactly where `padded` says so."""
    drawn, stated = large(task, length), task.signature(length)
    masks = {"source": drawn.source_mask}
    if stated.alignment is Alignment.FREE:
        masks["target"] = drawn.target_mask
    for name, mask in masks.items():
        if mask is None:
            continue
        assert mask[:, 0].all(), f"An example has no real {name} step."
        assert (mask[:, 1:] <= mask[:, :-1]).all(), f"A real {name} step stands after padding."
    shorter = any(mask is not None and not mask.all() for mask in masks.values())
    assert stated.padded or not shorter, "Some examples are shorter, but `padded` is false."
    assert shorter or not stated.padded, "`padded` is true, but no example is shorter."
    asked = loss_mask(drawn)
    assert asked.any(), "No target is asked for."
    if stated.alignment is Alignment.ALIGNED and drawn.source_mask is not None:
        assert not (asked & ~drawn.source_mask).any(), "A target is asked for on padding."
    if isinstance(stated.target, Tokens) and stated.target.end is not None:
        _closed(drawn.target, asked, stated.target.end)
    return f"{asked.double().mean():.0%} of the targets are asked for"


def _closed(target: Tensor, asked: Tensor, end: int) -> None:
    """Assert that every target ends with the symbol that closes it, which stands nowhere else."""
    closing = asked & (target == end)
    last = asked.flip(1).cumsum(1).flip(1) == 1
    assert (closing.sum(1) == 1).all(), f"Some targets have no closing symbol {end}, or several."
    assert not (closing & ~last).any(), f"Something is asked for after the closing symbol {end}."


def _sequence(name: str, tensor: Tensor, space: Space, shape: tuple[int, int]) -> None:
    match space:
        case Tokens(size):
            _tensor(name, tensor, shape, torch.int64)
            low, high = int(tensor.min()), int(tensor.max())
            assert 0 <= low <= high < size, (
                f"The {name} has symbols from {low} to {high}, and the signature states {size}."
            )
        case Reals(width):
            _tensor(name, tensor, (*shape, width), torch.float32)
        case Frames(channels, height, width):
            images = (*shape, channels, height, width)
            _tensor(name, tensor, images, torch.float32, torch.float16)


def _tensor(name: str, tensor: Tensor, shape: tuple[int, ...], *dtypes: torch.dtype) -> None:
    actual = tuple(tensor.shape)
    assert actual == shape, f"The {name} has the shape {actual}, and the signature states {shape}."
    allowed = " or ".join(map(str, dtypes))
    assert tensor.dtype in dtypes, f"The {name} is {tensor.dtype}, not {allowed}."
    if tensor.is_floating_point():
        assert tensor.isfinite().all(), f"The {name} is not finite everywhere."
