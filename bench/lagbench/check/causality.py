"""What holds for which source steps decide an answer, found out by changing them."""

import torch
from torch import Tensor

from lagbench.check.draws import draw, loss_mask
from lagbench.check.predictions import agree, answered
from lagbench.check.results import NotApplicable
from lagbench.contract import Alignment, Batch, Signature, Task

COUNT = 256


def causality(task: Task, length: int) -> str:
    """No answer of a causal task depends on a later source step."""
    if not task.signature(length).causal:
        return NotApplicable("it is not declared causal")
    drawn = draw(task, length, COUNT)
    asked, steps = loss_mask(drawn), torch.arange(drawn.source.shape[1])
    cut = torch.randint(len(steps), (COUNT, 1), generator=torch.Generator().manual_seed(1))
    real = drawn.source_mask if drawn.source_mask is not None else torch.ones_like(steps > cut)
    later = (steps > cut) & real & real.roll(1, 0)
    source = drawn.source.clone()
    source[later] = drawn.source.roll(1, 0)[later]
    moved, valid = _moved(task, length, drawn, source)
    early = int((moved & asked & (steps <= cut))[valid].sum())
    assert not early, f"{early} answers change with later source steps, in {COUNT} examples."
    return f"{int(valid.sum())} examples with other ends"


def lag(task: Task, length: int) -> str:
    """Lags point at a real source step, and what stands there decides the answer.

    It is exchanged for what decides in another example, or for any other content; then, for
    comparison, another step is exchanged in the same way.
    """
    drawn = draw(task, length, COUNT)
    if drawn.lag is None:
        return NotApplicable("it states no lags")
    stated = task.signature(length)
    where = decisive_steps(drawn, stated)
    asked, ends = loss_mask(drawn), _lengths(drawn)[:, None]
    assert (drawn.lag >= -1).all(), "A lag is below -1."
    assert (drawn.lag[~asked] == -1).all(), (
        "A target that is not asked for has a lag other than -1."
    )
    pointing = asked & (drawn.lag >= 0)
    assert ((where >= 0) & (where < ends))[pointing].all(), "A lag points outside the real source."
    if not pointing.any():
        return NotApplicable("no single step decides any target")
    return _exchanged(task, length, drawn, pointing, where)


def decisive_steps(drawn: Batch, stated: Signature) -> Tensor:
    """The source step that each lag points at, `(B, U)`; meaningless where there is none."""
    assert drawn.lag is not None
    ends = _lengths(drawn)[:, None]
    targets = torch.arange(drawn.lag.shape[1])
    answering = {
        Alignment.POOLED: ends - 1,
        Alignment.ALIGNED: targets,
        Alignment.FREE: ends + targets,
    }[stated.alignment]
    return answering - drawn.lag


def _exchanged(task: Task, length: int, drawn: Batch, pointing: Tensor, where: Tensor) -> str:
    """Exchange deciding steps and others, one target an example, and compare what that changes."""
    source = torch.Generator().manual_seed(1)
    rows = pointing.any(1).nonzero()[:, 0]
    targets = (torch.rand(pointing.shape, generator=source) * pointing).argmax(1)[rows]
    deciding = where[rows, targets]
    ends = _lengths(drawn)[rows]
    other = deciding + 1 + (torch.rand(len(rows), generator=source) * (ends - 1)).long()
    other %= ends  # any real step but the deciding one, where there is another

    def share(steps: Tensor, donor_steps: Tensor) -> float:
        changed = drawn.source.clone()
        changed[rows, steps] = drawn.source[rows.roll(1), donor_steps.roll(1)]
        moved, valid = _moved(task, length, drawn, changed)
        return moved[rows, targets][valid[rows]].double().sum().item() / len(rows)

    with_it = max(share(deciding, deciding), share(deciding, other))
    assert with_it > 0, "No answer changes with the step that its lag points at."
    several = ends > 1
    without = share(torch.where(several, other, deciding), other) if several.any() else 0.0
    assert with_it > without or not several.any(), (
        f"Answers change with another step in {without:.0%} of the examples, and with the one that "
        f"the lag points at in {with_it:.0%} only."
    )
    return f"answers change with it in {with_it:.0%}, with another step in {without:.0%}"


def _moved(task: Task, length: int, drawn: Batch, changed: Tensor) -> tuple[Tensor, Tensor]:
    """Which answers `(B, U)` are others for the changed sources, and for which examples `(B,)`.

    A changed source may be none that the task can draw, so an oracle may raise on it.
    """
    before = answered(task, length, drawn.source, drawn.source_mask)
    after = _attempted(task, length, changed, drawn.source_mask)
    if after is not None:
        return ~agree(after, before), torch.ones(len(changed), dtype=torch.bool)
    after, valid = before.clone(), torch.zeros(len(changed), dtype=torch.bool)
    for row in range(len(changed)):
        cut = slice(row, row + 1)
        mask = None if drawn.source_mask is None else drawn.source_mask[cut]
        single = _attempted(task, length, changed[cut], mask)
        if single is not None:
            after[cut], valid[row] = single, True
    return ~agree(after, before), valid


def _attempted(task: Task, length: int, source: Tensor, mask: Tensor | None) -> Tensor | None:
    """The oracle's answers, or None where it raises: what it was not made for proves nothing."""
    try:
        return answered(task, length, source, mask)
    except Exception:
        return None


def _lengths(drawn: Batch) -> Tensor:
    """Real source steps, `(B,)`."""
    if drawn.source_mask is None:
        return torch.full((drawn.source.shape[0],), drawn.source.shape[1])
    return drawn.source_mask.sum(1)
