"""The compiled perceptron of a residual block: `perceptron.cpp`.

Shapes are `(…, N, D)` for `N` steps, `(…, H, D)` for the first weight, `(…, D, H)` for the second
and `(…, D)` and `(…, H)` for the rest, with `R` replicas or nothing in place of the dots.
"""

import torch
from torch import Tensor

from bench.kernels.library import operation, run


@operation
def perceptron(
    x: Tensor,
    scale: Tensor,
    shift: Tensor,
    enter: Tensor,
    enter_bias: Tensor,
    leave: Tensor,
    leave_bias: Tensor,
) -> Tensor:
    """`leave(gelu(enter(norm(x))))`; scale, shift: of the norm."""
    result = _like(x)
    weights = scale, shift, enter, enter_bias, leave, leave_bias
    run("perceptron", _sizes(x, enter), x, *weights, result)
    return result


@operation
def perceptron_backward(
    x: Tensor,
    scale: Tensor,
    shift: Tensor,
    enter: Tensor,
    enter_bias: Tensor,
    leave: Tensor,
    leave_bias: Tensor,
    gradient: Tensor,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """The gradients of all that it read."""
    weights = scale, shift, enter, enter_bias, leave, leave_bias
    to_x, to_scale, to_shift, to_enter, to_enter_bias, to_leave, to_leave_bias = made = tuple(
        _like(each) for each in (x, *weights)
    )
    run("perceptron_backward", _sizes(x, enter), x, *weights, gradient, *made)
    return to_x, to_scale, to_shift, to_enter, to_enter_bias, to_leave, to_leave_bias


def _like(each: Tensor) -> Tensor:
    return torch.empty_like(each, memory_format=torch.contiguous_format)


def _sizes(x: Tensor, enter: Tensor) -> tuple[int, int, int, int]:
    """`R`, `N`, `D` and `H`."""
    *replicas, N, D = x.shape
    return (*replicas, 1)[0], N, D, enter.shape[-2]
