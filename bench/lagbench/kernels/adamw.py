"""A step of AdamW with gradient clipping, on a row of parameters per replica.

Compiled: `adamw.cpp`.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from lagbench.kernels.library import run, supported


class AdamWState(NamedTuple):
    """The tensors that a step changes.

    parameters, mean, square: `(R, P)`, with the running means of gradients and of their squares.
    finite: `(R,)` bool, whether a row has had finite gradients only; others stay as they are.
    norm_sum, clip_count: `(R,)`: the sum of gradient norms, and how many gradients were clipped.
    """

    parameters: Tensor
    mean: Tensor
    square: Tensor
    finite: Tensor
    norm_sum: Tensor
    clip_count: Tensor


class AdamWOptions(NamedTuple):
    """As for `torch.optim.AdamW`; clip: the largest norm of a row's gradient, None: any."""

    betas: tuple[float, float]
    weight_decay: float
    clip: float | None
    eps: float


def adamw(
    state: AdamWState,
    gradient: Tensor,
    rates: Tensor,
    factor: float,
    step: int,
    options: AdamWOptions,
) -> None:
    """Update every row in place.

    gradient: `(R, P)`, overwritten by the plain form. rates: `(R,)`. factor: of all rates. step:
    the number of this step, from 1.
    """
    if not supported(gradient):
        adamw_plain(state, gradient, rates, factor, step, options)
        return
    beta_mean, beta_square = options.betas
    clip = math.inf if options.clip is None else options.clip
    settings = [
        options.weight_decay, clip, factor, 1 - beta_mean, 1 - beta_square, beta_square,
        1 / (1 - beta_mean**step), (1 - beta_square**step) ** -0.5, options.eps,
    ]  # fmt: skip
    numbers = torch.tensor(settings, dtype=gradient.dtype)
    run("adamw", (*gradient.shape,), numbers, rates, gradient, *state)


def adamw_plain(
    state: AdamWState,
    gradient: Tensor,
    rates: Tensor,
    factor: float,
    step: int,
    options: AdamWOptions,
) -> None:
    """The plain form of `adamw`."""
    parameters, mean, square, finite, *_ = state
    _clip(state, gradient, options.clip)
    beta_mean, beta_square = options.betas
    mean.lerp_(gradient, 1 - beta_mean)
    square.mul_(beta_square).addcmul_(gradient, gradient, value=1 - beta_square)
    size = square.sqrt()
    size.div_((1 - beta_square**step) ** 0.5).add_(options.eps)
    rates = (rates * (factor * finite))[:, None]
    if options.weight_decay:
        parameters.mul_(1 - rates * options.weight_decay)
    direction = torch.div(mean, size, out=size)
    parameters.addcmul_(direction, rates, value=-1 / (1 - beta_mean**step))


def _clip(state: AdamWState, gradient: Tensor, clip: float | None) -> None:
    """Scale each row to the largest norm allowed; count norms and clipped gradients."""
    norms = torch.linalg.vector_norm(gradient, dim=1)
    state.finite.logical_and_(norms.isfinite())
    gradient.masked_fill_(~state.finite[:, None], 0.0)
    norms = torch.where(state.finite, norms, 0.0)
    state.norm_sum.add_(norms)
    if clip is not None:
        state.clip_count.add_(norms > clip)
        gradient.mul_((clip / (norms + 1e-6)).clamp(max=1.0)[:, None])
