"""Gradient reach: what the loss at the end still learns from an input `k` steps before."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from lagbench.contract import Batch, Tokens
from lagbench.model.assembly import Model
from lagbench.probes.context import (
    NotMeasurable,
    Probe,
    ProbeContext,
    ProbeResult,
    curve,
    in_double,
)
from lagbench.probes.lags import answering_steps, chosen_lags, source_lengths, target_loss_mask
from lagbench.train.objective import target_losses

NAME = "gradient_reach"
EXAMPLES = 32
AT_ONCE = 2**12  # source steps of all examples together
LEAST = 4  # examples in any case
PRICE = 0.08, 6  # its share, and passes: forward and backward, at half the speed
FEWEST = 3  # lags that an exponential is fitted to


def gradient_reach(context: ProbeContext) -> list[ProbeResult] | NotMeasurable:
    """The mean over examples of `‖∂ loss_T / ∂ x_{T−k}‖` against `k`; its largest mean is 1.

    `x` is the input of the core, as embedded: tokens have no gradient, and so all sources compare.
    The loss is that of the last counted target alone, teacher forced; `k` is counted from where
    `Batch.lag` counts. Numbers: the half-life, from an exponential fitted to all lags, infinite
    where it does not fade, and the R² of the fit.
    """
    return _measured(context, lambda: context.models, NAME, fitted=True)


def gradient_reach_initial(context: ProbeContext) -> list[ProbeResult] | NotMeasurable:
    """The same before training, without its half-life."""
    return _measured(context, lambda: context.untrained, f"{NAME}_initial", fitted=False)


def _measured(
    context: ProbeContext, models: Callable[[], list[Model]], name: str, fitted: bool
) -> list[ProbeResult] | NotMeasurable:
    plan = context.job.plan
    if plan.architecture.input_spaces is not None and isinstance(plan.signature.source, Tokens):
        return NotMeasurable("it reads tokens raw, and they have no gradient")
    steps = context.test.source.shape[1]
    most = max(LEAST, min(EXAMPLES, AT_ONCE // steps))
    batch = in_double(context.examples(context.example_budget(*PRICE, LEAST, most)))
    results = []
    for model in models():
        means, counts = norms_by_lag(model, batch)
        lags = chosen_lags(len(means) - 1, context.deep)
        results.append(_result(means, counts, name, lags, fitted))
    return results


def _result(means: Tensor, counts: Tensor, name: str, lags: list[int], fitted: bool) -> ProbeResult:
    relative = means / means.max()
    values = curve(name, lags, relative[lags], counts[lags]) if means.max() > 0 else []
    return ProbeResult(values, half_life(relative, counts) if fitted else {})


def norms_by_lag(model: Model, batch: Batch) -> tuple[Tensor, Tensor]:
    """The mean gradient norm at each lag from 0 on, and of how many examples it is the mean."""
    answers = answering_steps(batch, model.signature.alignment)
    ends = answers.gather(1, last_counted(batch)[:, None])
    places = torch.arange(batch.source.shape[1], device=ends.device)
    lags = ends - places
    known = (lags >= 0) & (places < source_lengths(batch)[:, None])
    norms = gradient_norms(model, batch)
    counts = torch.bincount(lags[known])
    return (torch.bincount(lags[known], norms[known]) / counts.clamp(min=1)).cpu(), counts.cpu()


def gradient_norms(model: Model, batch: Batch) -> Tensor:
    """`‖∂ loss / ∂ x‖` at every source step, `(B, T)`; the loss is of the last counted target."""
    embed = model.embed
    x = embed(batch.source).detach().clone().requires_grad_()
    model.embed = _Embedded(x)
    try:
        predicted = model(batch.source, batch.source_mask, batch.target)
    finally:
        model.embed = embed
    losses = target_losses(predicted, batch.target, model.signature.target)
    total = losses.gather(1, last_counted(batch)[:, None]).sum()
    (gradient,) = torch.autograd.grad(total, x, materialize_grads=True)
    norms: Tensor = torch.linalg.vector_norm(gradient.flatten(2), dim=2)
    return norms


class _Embedded(nn.Module):
    """Stands in for an embedder, with what it made of the source."""

    def __init__(self, x: Tensor) -> None:
        super().__init__()
        self.x = x

    def forward(self, _: Tensor) -> Tensor:
        return self.x


def last_counted(batch: Batch) -> Tensor:
    """Which target of each example is the last that is asked for: `(B,)`."""
    places = torch.arange(batch.target.shape[1], device=batch.target.device)
    return (target_loss_mask(batch) * places).argmax(1)


def half_life(means: Tensor, counts: Tensor) -> dict[str, float]:
    """The steps in which `means` halves, by least squares on its logarithm, and the fit's R².

    Empty where fewer than `FEWEST` lags have a gradient, or all have the same.
    """
    seen = ((counts > 0) & (means > 0) & means.isfinite()).numpy()
    lags, logs = np.flatnonzero(seen), np.log2(means.numpy()[seen])
    if len(lags) < FEWEST or np.ptp(logs) == 0:
        return {}
    slope, intercept = np.polyfit(lags, logs, 1)
    unexplained = np.square(logs - slope * lags - intercept).sum()
    return {
        "gradient_half_life": float(-1 / slope) if slope < 0 else float("inf"),
        "gradient_half_life_fit": float(1 - unexplained / np.square(logs - logs.mean()).sum()),
    }


GRADIENT_REACH = Probe(NAME, gradient_reach, ("gradient_half_life", "gradient_half_life_fit"))
GRADIENT_REACH_INITIAL = Probe(f"{NAME}_initial", gradient_reach_initial)
