"""Influence: how far an answer moves when one input is resampled, and how far it should.

An input is resampled by taking another test example's at the same step: a true draw from what
stands there, though what stands beside it is then another's. On a task with a grammar, such as a
single marked cue, the exchange may break it; the oracle answers the very same exchanges.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from lagbench.contract import Batch, Tokens
from lagbench.data.streams import generator, select, to_device
from lagbench.probes.context import DEEPER, NotMeasurable, Probe, ProbeContext, ProbeResult, curve
from lagbench.probes.lags import answering_steps, chosen_lags, source_lengths, target_loss_mask
from lagbench.train.module import evaluation_batches

NAME = "influence"
EXAMPLES = 1000
AT_ONCE = 2**18  # numbers in the sources of all examples together, but at least 8 examples
KEPT = 64  # exchanges at one lag that models answer, of those that matter and of the others alike
LEAST = 8  # of them in any case
SHARE = 0.3  # of what probes may cost
FEWEST = 3  # exchanges that matter, without which a lag says nothing of how far a model reaches

ALONE = NotMeasurable("a single test example has no other to exchange an input with")

Answer = Callable[[Batch], Tensor]
"""Symbols `(R, B, U)`, logits of them `(R, B, U, V)`, or values `(R, B, U, W)`."""
Movement = Callable[[Tensor, Tensor], Tensor]
"""How far answers `(R, N, …)` lie from others: `(R, N)`."""


def influence(context: ProbeContext) -> list[ProbeResult] | NotMeasurable:
    """The mean movement of predictions against the lag of the exchanged step, teacher forced.

    Movement is the total variation between distributions over symbols, or the mean absolute change
    of values as a share of the targets' standard deviation. Each exchange is looked at from one
    target, drawn among those that the lag leads back from to a real step. Number:
    `influence_reach`, as `reach` says.

    An exchange that matters may be one in a hundred. So the oracle answers them all, and models
    answer up to `KEPT` of those that move it and as many of the others, each standing for its
    share. An oracle that cannot read what an exchange has broken leaves any, and no reach.
    """
    device, symbols = context.replicas.flat.device, _symbols(context)

    def answer(batch: Batch) -> Tensor:
        return context.replicas.predict(to_device(batch, device), teacher_forced=True)

    if len(context.test.source) < 2:
        return ALONE
    pool = _judged(context, exchanges(context, _examples(context)))
    kept = context.example_budget(
        SHARE, 4 * len(pool.lags), LEAST, KEPT
    )  # 2 strata, before and after
    swaps = thinned(pool, kept)
    moved = moved_by(context, swaps, answer, between_logits if symbols else _scaled(context))
    means, counts = by_lag(swaps, moved)
    return [
        ProbeResult(curve(NAME, swaps.lags, mean, counts), reach(swaps, values))
        for mean, values in zip(means, moved, strict=True)
    ]


def influence_oracle(context: ProbeContext) -> list[ProbeResult] | NotMeasurable:
    """The same movement of the oracle's answers: of symbols, the share that changes."""
    if len(context.test.source) < 2:
        return ALONE
    pool = exchanges(context, _examples(context))
    means, counts = by_lag(pool, _oracle_moved(context, pool))
    values = curve(f"{NAME}_oracle", pool.lags, means[0], counts)
    return [ProbeResult(values)] * len(context.replicas)


def between_logits(before: Tensor, after: Tensor) -> Tensor:
    """The total variation: half the sum of the absolute differences of probabilities."""
    change = F.softmax(after.double(), -1) - F.softmax(before.double(), -1)
    return change.abs().sum(-1) / 2


def changed(before: Tensor, after: Tensor) -> Tensor:
    """1 where the symbol is another."""
    return (before != after).double()


def _scaled(context: ProbeContext) -> Movement:
    """The mean absolute change as a share of the standard deviation of the targets."""
    spread = context.test.target[target_loss_mask(context.test)].double().std()
    return lambda before, after: (after.double() - before.double()).abs().mean(-1) / spread


@dataclass(frozen=True)
class Exchanges:
    """`N` examples, each with one step of its source resampled.

    before: the examples as they were; batch: the exchanged ones. All else is `(N,)`: example,
    which of `before` each was; target, from which target it is looked at; position, the index among
    `lags` of the distance from there back to the exchanged step; weight, how many it stands for;
    should, how far it moves the oracle's answer, as far as that can tell.
    """

    before: Batch
    batch: Batch
    example: Tensor
    target: Tensor
    position: Tensor
    weight: Tensor
    should: Tensor
    lags: list[int]


def exchanges(context: ProbeContext, batch: Batch) -> Exchanges:
    """One exchange for every example and chosen lag that leads back to a step of both examples."""
    draws = generator(NAME, context.job.task.name, context.job.length)
    answers = answering_steps(batch, context.job.plan.signature.alignment)
    lengths, loss_mask = source_lengths(batch), target_loss_mask(batch)
    lags = chosen_lags(int(answers[loss_mask].max()))
    steps = answers[:, None] - torch.tensor(lags)[:, None]  # (B, lags, U)
    count = len(answers)
    donors = torch.randint(1, count, (count, len(lags)), generator=draws)
    donors = (donors + torch.arange(count)[:, None]) % count
    ends = torch.minimum(lengths[:, None], lengths[donors])[..., None]
    possible = loss_mask[:, None] & (steps >= 0) & (steps < ends)
    example, position = possible.any(2).nonzero(as_tuple=True)
    weights = possible[example, position].float()
    target = torch.multinomial(weights, 1, generator=draws)[:, 0]
    step = steps[example, position, target]
    source = batch.source[example]
    source[torch.arange(len(source)), step] = batch.source[donors[example, position], step]
    exchanged = replace(select(batch, example), source=source)
    weight = torch.ones(len(example), dtype=torch.float64)
    should = torch.zeros_like(weight)
    return Exchanges(batch, exchanged, example, target, position, weight, should, lags)


def thinned(pool: Exchanges, kept: int) -> Exchanges:
    """At each lag at most `kept` of the exchanges that should move an answer, and of the others."""
    stratum = 2 * pool.position + (pool.should > 0)
    order = stratum.argsort(stable=True)
    sizes = torch.bincount(stratum, minlength=2 * len(pool.lags))
    starts = (sizes.cumsum(0) - sizes)[stratum[order]]
    rows = order[torch.arange(len(order)) - starts < kept]
    weight = (sizes.double() / sizes.clamp(max=kept))[stratum[rows]]
    parts = {
        name: getattr(pool, name)[rows] for name in ("example", "target", "position", "should")
    }
    return replace(pool, batch=select(pool.batch, rows), weight=weight, **parts)


def by_lag(swaps: Exchanges, moved: Tensor) -> tuple[Tensor, Tensor]:
    """The weighted mean at each lag `(R, lags)` of movements `(R, N)`, and of how many it is."""
    size = len(swaps.lags)
    weights = torch.bincount(swaps.position, swaps.weight, minlength=size)
    sums = moved.new_zeros(len(moved), size).index_add(1, swaps.position, moved * swaps.weight)
    return sums / weights.clamp(min=1), torch.bincount(swaps.position, minlength=size)


def reach(swaps: Exchanges, moved: Tensor) -> dict[str, float]:
    """How far back a model uses what it should, from how far its answers moved `(N,)`.

    Of exchanges that move the oracle's answer, the model's moves at least half as far, in the mean
    at every lag from the nearest to this one; 0 where it does not at the nearest. Lags with fewer
    than `FEWEST` such exchanges are passed over; empty where all are, as nothing should move.
    """
    matters, size = swaps.should > 0, len(swaps.lags)
    counts = torch.bincount(swaps.position[matters], minlength=size)
    follows = torch.bincount(
        swaps.position[matters], (moved - swaps.should / 2)[matters], minlength=size
    ).ge(0)
    reached: dict[str, float] = {}
    for lag, count, rows_ in zip(swaps.lags, counts.tolist(), follows.tolist(), strict=True):
        if count >= FEWEST and not rows_:
            return reached or {"influence_reach": 0.0}
        if count >= FEWEST:
            reached = {"influence_reach": float(lag)}
    return reached


def _examples(context: ProbeContext) -> Batch:
    most = max(8, min(EXAMPLES, AT_ONCE // context.test.source[0].numel()))
    return select(context.test, slice(DEEPER * most if context.deep else most))


def moved_by(context: ProbeContext, swaps: Exchanges, answer: Answer, movement: Movement) -> Tensor:
    """How far answers moved at the targets looked at: `(R, N)`."""

    def answers(batch: Batch, example: Tensor) -> Tensor:
        """At target `made.target[i]` of example `example[i]` of the batch: `(R, N, …)`."""
        batches, places, start = [], [], 0
        for piece in evaluation_batches(batch, len(context.replicas)):
            stop = start + len(piece.source)
            (rows_,) = ((example >= start) & (example < stop)).nonzero(as_tuple=True)
            batches.append(answer(piece)[:, example[rows_] - start, swaps.target[rows_]].cpu())
            places.append(rows_)
            start = stop
        return torch.cat(batches, dim=1)[:, torch.cat(places).argsort()]

    before, which = torch.unique(swaps.example, return_inverse=True)
    after = answers(swaps.batch, torch.arange(len(which)))
    return movement(answers(select(swaps.before, before), which), after)


def _judged(context: ProbeContext, pool: Exchanges) -> Exchanges:
    """The same, with how far each moves the oracle's answer, as far as the oracle can tell."""
    try:
        return replace(pool, should=_oracle_moved(context, pool)[0])
    except Exception:  # whatever it raises is the reason that `influence_oracle` has no values
        return pool


def _oracle_moved(context: ProbeContext, swaps: Exchanges) -> Tensor:
    """`(1, N)`."""
    task, length = context.job.task.value, context.job.length

    def answer(batch: Batch) -> Tensor:
        return task.oracle(length, batch.source, batch.source_mask)[None]

    # Log-probabilities are logits.
    of_symbols = between_logits if task.metric.log_probabilities else changed
    return moved_by(context, swaps, answer, of_symbols if _symbols(context) else _scaled(context))


def _symbols(context: ProbeContext) -> bool:
    return isinstance(context.job.plan.signature.target, Tokens)


INFLUENCE = Probe(NAME, influence, ("influence_reach",))
INFLUENCE_ORACLE = Probe(f"{NAME}_oracle", influence_oracle)
