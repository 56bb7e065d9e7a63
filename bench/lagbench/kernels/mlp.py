"""The compiled perceptron of a residual block: `perceptron.cpp`.

Shapes are `(…, N, D)` for `N` steps, `(…, H, D)` for the first weight, `(…, D, H)` for the second
and `(…, D)` and `(…, H)` for the rest, with `R` replicas or nothing in place of the dots.
"""

from torch import Tensor

from lagbench.kernels.library import empty_like, run
from lagbench.kernels.registration import operation


@operation
def perceptron(x: Tensor, weights: list[Tensor]) -> Tensor:
    """`x + leave(gelu(enter(norm(x))))`.

    weights: the norm's scale and shift, and the weight and bias of `enter` and of `leave`.
    """
    result = empty_like(x)
    run("perceptron", _sizes(x, weights[2]), x, *weights, result)
    return result


@operation
def perceptron_backward(x: Tensor, weights: list[Tensor], gradient: Tensor) -> list[Tensor]:
    """The gradients of `x` and of the weights."""
    made = [empty_like(each) for each in (x, *weights)]
    run("perceptron_backward", _sizes(x, weights[2]), x, *weights, gradient, *made)
    return made


def _sizes(x: Tensor, enter: Tensor) -> tuple[int, int, int, int]:
    """`R`, `N`, `D` and `H`."""
    *replicas, N, D = x.shape
    return (*replicas, 1)[0], N, D, enter.shape[-2]
