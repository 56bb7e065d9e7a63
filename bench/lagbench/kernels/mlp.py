"""A residual layer of an MLP with GELU, `x + fc2(gelu(fc1(norm(x))))`; compiled: `mlp.cpp`.

GELU is that of Hendrycks and Gimpel 2016, with the normal distribution itself.
"""

from typing import Any

from torch import Tensor
from torch.nn import functional as F

from lagbench.kernels.library import empty_like, run, supported
from lagbench.kernels.registration import operation, register_gradient

MAX_WIDTH = 32  # the widest that is faster compiled: beyond, the products take all the time


def mlp(
    x: Tensor,
    norm_weight: Tensor,
    norm_bias: Tensor,
    fc1_weight: Tensor,
    fc1_bias: Tensor,
    fc2_weight: Tensor,
    fc2_bias: Tensor,
) -> Tensor:
    """The layer on `x` `(…, D)`; `fc1_weight` is `(H, D)` and `fc2_weight` `(D, H)`."""
    weights = norm_weight, norm_bias, fc1_weight, fc1_bias, fc2_weight, fc2_bias
    if x.shape[-1] <= MAX_WIDTH and supported(x):
        result: Tensor = _mlp(x.flatten(0, -2), *weights)
        return result.view(x.shape)
    return mlp_plain(x, *weights)


def mlp_plain(
    x: Tensor,
    norm_weight: Tensor,
    norm_bias: Tensor,
    fc1_weight: Tensor,
    fc1_bias: Tensor,
    fc2_weight: Tensor,
    fc2_bias: Tensor,
) -> Tensor:
    """The plain form of `mlp`."""
    normed = F.layer_norm(x, x.shape[-1:], norm_weight, norm_bias)
    return x + F.linear(F.gelu(F.linear(normed, fc1_weight, fc1_bias)), fc2_weight, fc2_bias)


@operation
def _mlp(
    x: Tensor,
    norm_weight: Tensor,
    norm_bias: Tensor,
    fc1_weight: Tensor,
    fc1_bias: Tensor,
    fc2_weight: Tensor,
    fc2_bias: Tensor,
) -> Tensor:
    result = empty_like(x)
    weights = norm_weight, norm_bias, fc1_weight, fc1_bias, fc2_weight, fc2_bias
    run("mlp", _sizes(x, fc1_weight), x, *weights, result)
    return result


@operation
def _mlp_backward(inputs: list[Tensor], gradient: Tensor) -> list[Tensor]:
    """The gradients of all inputs of `_mlp`."""
    gradients = [empty_like(tensor) for tensor in inputs]
    run("mlp_backward", _sizes(inputs[0], inputs[3]), *inputs, gradient, *gradients)
    return gradients


def _sizes(x: Tensor, fc1_weight: Tensor) -> tuple[int, int, int, int]:
    """`R`, `N`, `D` and `H` of steps `(…, N, D)`."""
    *replicas, N, D = x.shape
    return (*replicas, 1)[0], N, D, fc1_weight.shape[-2]


def _setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:  # noqa: ARG001
    ctx.save_for_backward(*inputs)


def _backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, ...]:
    return tuple(_mlp_backward([*ctx.saved_tensors], gradient))


register_gradient(_mlp, _setup_context, _backward)
