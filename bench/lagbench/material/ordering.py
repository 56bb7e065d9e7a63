"""Sorting small numbers, quickly."""

import numpy as np
import torch
from torch import Tensor


def stable_order(keys: Tensor) -> Tensor:
    """`(B, T)` indices that sort each row of keys `(B, T)`, 0 or above, stably.

    What `argsort(dim=1, stable=True)` gives, about ten times as fast where keys are below 65,536:
    NumPy sorts integers of one or two bytes by their digits, torch compares.
    """
    small = keys.numpy().astype(np.min_scalar_type(int(keys.max())))
    return torch.from_numpy(small.argsort(axis=1, kind="stable"))
