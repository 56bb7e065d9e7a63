"""AdamW on the parameters of several replicas, with a learning rate and clipping for each."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.optim import Optimizer

from lagbench.kernels.adamw import AdamWOptions, AdamWState, adamw


class ReplicaAdamW(Optimizer):
    """AdamW (Loshchilov and Hutter 2019) on one buffer `(R, P)`: a row is a replica.

    Equal to `torch.optim.AdamW` on each row after `torch.nn.utils.clip_grad_norm_`. A row whose
    gradient is not finite has diverged, and is not updated any more.
    """

    def __init__(
        self,
        flat: Tensor,
        rates: Tensor,
        betas: tuple[float, float],
        weight_decay: float,
        clip: float | None,
        eps: float = 1e-8,
    ) -> None:
        """flat: `(R, P)`, its `.grad` set by the caller; rates: `(R,)`; clip: largest norm."""
        super().__init__([flat], {})
        self.flat, self.rates = flat, rates.to(flat.dtype)
        self.options = AdamWOptions(betas, weight_decay, clip, eps)
        finite = flat.new_ones(len(flat), dtype=torch.bool)
        counts = flat.new_zeros(2, len(flat)).unbind()
        self.tensors = AdamWState(
            flat, torch.zeros_like(flat), torch.zeros_like(flat), finite, *counts
        )
        self.steps = 0
        self.factor = 1.0  # of the schedule, set before each step

    @property
    def finite(self) -> Tensor:
        """Which replicas have not diverged: `(R,)` bool."""
        return self.tensors.finite

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        assert self.flat.grad is not None
        self.steps += 1
        adamw(self.tensors, self.flat.grad, self.rates, self.factor, self.steps, self.options)

    def select(self, rows: Sequence[int], flat: Tensor) -> "ReplicaAdamW":
        """The optimiser of some of the rows in its present state, for another buffer `flat`."""
        chosen = list(rows)
        selected = ReplicaAdamW(flat, self.rates[chosen], *self.options)
        selected.tensors = AdamWState(flat, *(tensor[chosen] for tensor in self.tensors[1:]))
        selected.steps, selected.factor = self.steps, self.factor
        return selected

    def restart_counts(self) -> tuple[Tensor, Tensor]:
        """Sums over the steps since the last call, `(R,)`: gradient norms, and steps clipped."""
        norms, clipped = self.tensors.norm_sum.cpu(), self.tensors.clip_count.cpu()
        zeros = (torch.zeros_like(self.tensors.norm_sum) for _ in range(2))
        self.tensors = AdamWState(*self.tensors[:4], *zeros)
        return norms, clipped
