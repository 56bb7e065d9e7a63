"""The compiled step of AdamW: `adamw.cpp`."""

import torch
from torch import Tensor

from lagbench.kernels.library import run


def adamw(settings: list[float], rates: Tensor, gradient: Tensor, *state: Tensor) -> None:
    """Move parameters `(R, P)` by a step along their gradient.

    settings: the weight decay, the largest norm of a row's gradient, and a factor of the rates; how
    much of a gradient enters the mean, and of its square the mean of squares; how much of that is
    kept; how far the mean leads without its bias, what the root of the squares is multiplied with
    for theirs, and what is added to that.
    rates: `(R,)`.
    state: what is changed. The parameters, the means of their gradients and of these squared; which
    rows have had finite gradients alone, for others are left as they are; the sum of the norms, and
    how often they were too large; `(R, P)` and `(R,)`.
    """
    given = torch.tensor(settings, dtype=gradient.dtype)
    run("adamw", (*gradient.shape,), given, rates, gradient, *state)
