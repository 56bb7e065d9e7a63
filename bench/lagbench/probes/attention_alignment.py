"""Attention alignment: how much attention an answer pays to the step that decides it."""

from typing import Any

import torch
from torch import Tensor

from lagbench.contract import Batch
from lagbench.model.assembly import Model
from lagbench.probes.context import NotMeasurable, Probe, ProbeContext, ProbeResult, in_double
from lagbench.probes.lags import answering_steps, target_loss_mask
from lagbench.record import ProbeValue
from lagbench.spec.pairing import PlanKind

NAME = "attention_alignment"
EXAMPLES = 32
AT_ONCE = 2**18  # weights of one head in one layer, all examples together
LEAST = 2  # examples in any case
PRICE = 0.05, 4  # its share, and passes: forward twice, at half the speed


def attention_alignment(context: ProbeContext) -> list[ProbeResult] | NotMeasurable:
    """The mean attention weight on the deciding step, teacher forced; `x` is the layer, from 0.

    The weight is of the query that answers: the target's own in a decoder, else the step from which
    `Batch.lag` counts; a mean over heads. Uniform attention has one over the steps it sees.
    """
    if not hasattr(context.models[0].core, "attention"):
        return NotMeasurable("it has no attention that it shows")
    steps = context.test.source.shape[1] + context.test.target.shape[1]
    most = max(LEAST, min(EXAMPLES, AT_ONCE // steps**2))
    batch = in_double(context.examples(context.example_budget(*PRICE, LEAST, most)))
    if batch.lag is None or not (target_loss_mask(batch) & (batch.lag >= 0)).any():
        return NotMeasurable("the task does not say which steps decide")
    decoder = context.job.plan.kind is PlanKind.TRANSDUCE
    return [_result(*on_deciding_steps(model, batch, decoder)) for model in context.models]


def _result(weights: Tensor, count: int) -> ProbeResult:
    values = [
        ProbeValue(probe=NAME, x=layer, value=value, count=count)
        for layer, value in enumerate(weights.tolist())
    ]
    return ProbeResult(values)


def on_deciding_steps(model: Model, batch: Batch, decoder: bool) -> tuple[Tensor, int]:
    """The mean weight on the deciding step in each layer, and over how many targets."""
    assert batch.lag is not None
    weights = attention_weights(model, batch)
    known = target_loss_mask(batch) & (batch.lag >= 0)
    example, target = known.nonzero(as_tuple=True)
    answers = answering_steps(batch, model.signature.alignment)[known]
    queries = target if decoder else answers
    aligned = weights[example, :, queries, answers - batch.lag[known]]
    return aligned.mean(0).cpu(), len(aligned)


@torch.no_grad()
def attention_weights(model: Model, batch: Batch) -> Tensor:
    """The weights in each layer, a mean over heads: `(B, layers, queries, keys)`."""
    calls: list[tuple[Any, ...]] = []
    listening = model.core.register_forward_pre_hook(lambda _, given: calls.append(given))
    try:
        model(batch.source, batch.source_mask, batch.target)
    finally:
        listening.remove()
    (given,) = calls
    weights: Tensor = model.core.attention(*given)  # type: ignore[operator]
    return weights[:, None] if weights.dim() == 3 else weights.mean(2)


ATTENTION_ALIGNMENT = Probe(NAME, attention_alignment)
