"""The perceptron of a residual block, on a kernel where it is compiled and narrow."""

from typing import Any, cast

from torch import Tensor, nn

from lagbench.kernels import mlp as compiled
from lagbench.kernels.library import supported
from lagbench.kernels.registration import ReplicatedFunction, differentiable_once

NARROW = 32  # the widest that the kernel takes: beyond, products are all that counts on either


class FeedForward(nn.Sequential):
    """`x + MLP(norm(x))`, position-wise, with GELU (Hendrycks and Gimpel 2016): `(…, D)` each."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__(
            nn.LayerNorm(width), nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Every step by itself."""
        if x.shape[-1] > NARROW or not supported(x):
            return x + cast(Tensor, super().forward(x))  # type: ignore[no-untyped-call]
        (result,) = _Perceptron.apply(  # type: ignore[no-untyped-call]
            x.flatten(0, -2), *self.parameters()
        )
        return cast(Tensor, result.view(x.shape))


class _Perceptron(ReplicatedFunction):
    @staticmethod
    def forward(x: Tensor, *weights: Tensor) -> tuple[Tensor]:
        return (compiled.perceptron(x, list(weights)),)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], _: tuple[Tensor]) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    @differentiable_once
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, ...]:
        x, *weights = ctx.saved_tensors
        return tuple(compiled.perceptron_backward(x, weights, gradient))
