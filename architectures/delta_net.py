"""DeltaNet: linear attention that corrects what it stored under a key, instead of adding to it."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lagbench import Cost, Mixer, State, register
from lagbench.layers.block import MultiHead
from lagbench.layers.chunks import by_chunks, join_heads, split_heads


class DeltaNetMixer(Mixer):
    """One layer of delta-rule memory, without its block."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.project = nn.Linear(width, 3 * width, bias=False)
        self.rate = nn.Linear(width, heads)
        self.merge = nn.Linear(width, width)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        return self.extend(x)[0]

    def extend(self, x: Tensor, state: State = None) -> tuple[Tensor, State]:
        """The state is the memory `S` `(B, H, 2 d, d)`."""
        q, k, v = split_heads(self.project(x), self.heads).unbind()
        q, k, beta = dpfp(q), dpfp(k), self.rate(x).sigmoid().mT[..., None]
        if state is None:
            state = x.new_zeros(len(x), self.heads, k.shape[-1], v.shape[-1])
        y, state = by_chunks(_read, [q, k, v, beta], state, dim=2)
        return self.merge(join_heads(y)), state


def dpfp(x: Tensor) -> Tensor:
    """Deterministic parameter-free projection, ν = 1, that sums to one: `(…, d)` -> `(…, 2 d)`."""
    halves = torch.cat([x, -x], dim=-1).relu()
    features = halves * halves.roll(1, dims=-1)
    return features / (features.sum(-1, keepdim=True) + 1e-6)


def _read(q: Tensor, k: Tensor, v: Tensor, beta: Tensor, S: Tensor) -> tuple[Tensor, Tensor]:
    """One chunk: attention over what its steps write, and over all before it through the state.

    What is written, `u_t = β_t (v_t − S_{t−1}ᵀ k_t)`, depends on earlier writes of the chunk
    through `k_s · k_t` alone, so that all `u` solve one triangular system (Yang et al. 2024).
    """
    earlier = (beta * (k @ k.mT)).tril(-1)
    u = torch.linalg.solve_triangular(earlier, beta * (v - k @ S), upper=False, unitriangular=True)
    return (q @ k.mT).tril() @ u + q @ S, S + k.mT @ u


@dataclass(frozen=True)
class DeltaNet(MultiHead):
    """A fast weight memory written by the delta rule, in pre-norm residual blocks; no positions.

        S_t = S_{t−1} + β_t k_t (v_t − S_{t−1}ᵀ k_t)ᵀ,  y_t = S_tᵀ q_t
        β_t = σ(w · x_t + b);  q_t = φ(W_q x_t),  k_t = φ(W_k x_t),  v_t = W_v x_t
        φ(x) = DPFP-1: r = relu([x, −x]),  φ ∝ r ⊙ roll(r),  which sums to one

    Source: Schlag et al. 2021, "Linear transformers are secretly fast weight programmers",
    arXiv:2102.11174; in parallel over a chunk as in Yang et al. 2024, "Parallelizing linear
    transformers with the delta rule over sequence length", arXiv:2406.06484.

    Attributes:
        layers: residual blocks above one another.
        heads: parallel memories in a layer; the width is a multiple of them.
    """

    cost = Cost(compute="T", path="T", sequential="log T")

    def mixer(self, width: int) -> Mixer:
        return DeltaNetMixer(width, self.heads)


register("delta_net", DeltaNet())
