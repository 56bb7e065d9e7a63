"""AdamW on a stack of replicas, each with its own learning rate and its own gradient clipping."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.optim import Optimizer

from lagbench.kernels.adamw import AdamWOptions, AdamWState, adamw


class ReplicaAdamW(Optimizer):
    """AdamW (Loshchilov and Hutter 2019) on one flat buffer `(R, P)`: a row is a replica.

    Equal to `torch.optim.AdamW` on each row alone after `torch.nn.utils.clip_grad_norm_`. A row
    whose gradient is not finite is left as it is, then and ever after: it has diverged.
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
        self.betas, self.weight_decay, self.clip, self.eps = betas, weight_decay, clip, eps
        self.mean = torch.zeros_like(flat)
        self.square = torch.zeros_like(flat)
        self.steps = 0
        self.factor = 1.0  # of the schedule, set before each step
        self.finite = flat.new_ones(len(flat), dtype=torch.bool)
        self.norm_sum, self.clip_count = flat.new_zeros(2, len(flat)).unbind()

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One update of every replica that is still finite."""
        grad = self.flat.grad
        assert grad is not None
        self.steps += 1
        state = AdamWState(
            self.flat, self.mean, self.square, self.finite, self.norm_sum, self.clip_count
        )
        options = AdamWOptions(self.betas, self.weight_decay, self.clip, self.eps)
        adamw(state, grad, self.rates, self.factor, self.steps, options)

    def select(self, rows: list[int], flat: Tensor) -> "ReplicaAdamW":
        """The optimiser of some of the rows, as it stands, for their own buffer `flat`."""
        some = ReplicaAdamW(
            flat, self.rates[rows], self.betas, self.weight_decay, self.clip, self.eps
        )
        some.steps, some.factor = self.steps, self.factor
        for name in ("mean", "square", "finite", "norm_sum", "clip_count"):
            setattr(some, name, getattr(self, name)[rows])
        return some

    def restart_counts(self) -> tuple[Tensor, Tensor]:
        """Sums over the steps since the last call: gradient norms, and steps clipped, `(R,)`."""
        counts = self.norm_sum.cpu(), self.clip_count.cpu()
        self.norm_sum, self.clip_count = (torch.zeros_like(self.norm_sum) for _ in range(2))
        return counts
