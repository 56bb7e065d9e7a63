"""Where a step stands in its sequence: five ways of telling a Transformer.

Every position is a plain function of its index, computed where it is needed, so all but the
learned table continue past any length seen in training.
"""

import math
from typing import Literal

import torch
from torch import Tensor, nn

from lagbench.contract import UserError
from lagbench.kernels.attention import Rotation

Encoding = Literal["sinusoidal", "learned", "rotary", "alibi", "none"]


class Positions(nn.Module):
    """One of the encodings, by what it adds to inputs, does to queries and keys, or adds to scores.

    encoding:
        sinusoidal: sines and cosines are added to the inputs (Vaswani et al. 2017).
        learned: a table of `table` vectors, a parameter, is added to the inputs.
        rotary: queries and keys are rotated by their position (Su et al. 2021).
        alibi: scores fall linearly with the distance, alike on both sides where steps see ahead,
            which then tells near from far but not before from after (Press et al. 2022).
        none: nothing; a causal mask alone still tells order.
    """

    def __init__(self, encoding: Encoding, width: int, heads: int, table: int) -> None:
        super().__init__()
        self.encoding = encoding
        self.heads = heads
        self.size = width // heads
        if encoding == "learned":
            self.table = nn.Parameter(0.02 * torch.randn(table, width))

    def add(self, x: Tensor, offset: int = 0) -> Tensor:
        """Inputs `(B, t, D)` at positions from `offset` on -> the same with positions added."""
        if self.encoding == "sinusoidal":
            return x + sinusoids(_indices(x.shape[1], offset, x), x.shape[2])
        if self.encoding == "learned":
            return x + self._looked_up(offset, offset + x.shape[1])
        return x

    def _looked_up(self, begin: int, end: int) -> Tensor:
        if end > len(self.table):
            raise UserError(f"{end} steps are more than the {len(self.table)} learned positions.")
        return self.table[begin:end]

    def rotation(self, x: Tensor, offset: int = 0) -> Rotation | None:
        """What `rotate` takes for the steps of `x` `(B, t, D)`; None: nothing is to be rotated."""
        if self.encoding != "rotary":
            return None
        return rotations(_indices(x.shape[1], offset, x), self.size)

    def bias(self, x: Tensor, offset: int = 0) -> Tensor | None:
        """`(1, H, t, offset + t)` to be added to the scores; None: nothing is."""
        if self.encoding != "alibi":
            return None
        end = offset + x.shape[1]
        queries, keys = _indices(x.shape[1], offset, x), _indices(end, 0, x)
        distance = (queries[:, None] - keys).abs()
        return (-slopes(self.heads, x)[:, None, None] * distance)[None]


def sinusoids(positions: Tensor, width: int) -> Tensor:
    """`(t,)` -> `(t, width)`: `sin(p / 10000^(2i/D))` at `2i` and its cosine at `2i + 1`."""
    angles = _angles(positions, width + width % 2)
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(-2)[:, :width]


def rotations(positions: Tensor, size: int) -> Rotation:
    """`(t,)` -> cosines and signed sines, `(t, size)` each, for heads of an even `size`."""
    angles = _angles(positions, size)
    both = torch.cat([-angles, angles], dim=-1)
    return both.cos(), both.sin()


def slopes(heads: int, like: Tensor) -> Tensor:
    """ALiBi's slopes `2^(-8i/H)`, `i = 1 … H`, for any number of heads; `(H,)`."""
    return torch.exp2(-8 / heads * _indices(heads, 1, like))


def _angles(positions: Tensor, size: int) -> Tensor:
    """`p θ_i` with `θ_i = 10000^(-2i/size)`; `(t, size / 2)`."""
    exponents = torch.arange(0, size, 2, dtype=positions.dtype, device=positions.device) / size
    return positions[:, None] * torch.exp(-math.log(10000) * exponents)


def _indices(count: int, first: int, like: Tensor) -> Tensor:
    return torch.arange(first, first + count, dtype=like.dtype, device=like.device)
