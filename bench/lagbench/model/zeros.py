"""Zero inputs for measuring shapes."""

import torch
from torch import Tensor

from lagbench.contract import Frames, Reals, Space, Tokens


def zeros_like_space(space: Space, steps: int, device: str = "cpu") -> Tensor:
    """A sequence of zeros as a task gives it: `(1, T)`, `(1, T, values)`, `(1, T, C, H, W)`."""
    match space:
        case Tokens():
            return torch.zeros(1, steps, dtype=torch.int64, device=device)
        case Reals(values):
            return torch.zeros(1, steps, values, device=device)
        case Frames(channels, height, columns):
            return torch.zeros(1, steps, channels, height, columns, device=device)
