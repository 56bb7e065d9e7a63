"""A bag of the vectors so far: what remains of a sequence when its order is thrown away."""

from typing import Literal

import torch
from torch import Tensor, nn

from lagbench.contract import Mixer, State

Reduction = Literal["mean", "sum"]


class Bag(Mixer):
    """`y_t = relu(W m_t + b)`, where `m_t` is the mean or the sum of `x_1 … x_t`."""

    def __init__(self, width: int, reduction: Reduction) -> None:
        super().__init__()
        self.reduction = reduction
        self.dense = nn.Linear(width, width)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """`(B, T, D) -> (B, T, D)`; causal, so that padding cannot matter."""
        return self.extend(x)[0]

    def extend(self, x: Tensor, state: State = None) -> tuple[Tensor, State]:
        """The state is the sum so far `(B, D)` and the count of steps in it `(B,)`."""
        totals = x.cumsum(dim=1)
        counts = torch.arange(1, x.shape[1] + 1, device=x.device).expand(x.shape[0], -1)
        if state is not None:
            total, count = state
            totals = totals + total.unsqueeze(1)
            counts = counts + count.unsqueeze(1)
        bags = totals / counts.unsqueeze(2) if self.reduction == "mean" else totals
        return self.dense(bags).relu(), (totals[:, -1], counts[:, -1])
