"""mLSTM: an LSTM whose cell is a matrix and whose gates are exponential."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lagbench import Cost, Mixer, State, register
from lagbench.layers.block import MultiHead
from lagbench.layers.chunks import by_chunks, join_heads, split_heads


class MLSTMMixer(Mixer):
    """One mLSTM layer, without its block."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.project = nn.Linear(width, 3 * width, bias=False)
        self.gates = nn.Linear(width, 2 * heads)
        self.output_gate = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width // heads)
        self.merge = nn.Linear(width, width)
        with torch.no_grad():
            self.gates.bias[heads:] = torch.linspace(3, 6, heads)  # open, each head to its own time

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        return self.extend(x)[0]

    def extend(self, x: Tensor, state: State = None) -> tuple[Tensor, State]:
        """The state is `C` with `n` as its last column, `(B, H, d, d + 1)`, and `m` `(B, H)`."""
        q, k, v = split_heads(self.project(x), self.heads).unbind()
        i, f = self.gates(x).mT.chunk(2, dim=1)
        v = F.pad(v, (0, 1), value=1.0)  # so that C q and n · q are one product
        if state is None:
            C = x.new_zeros(len(x), self.heads, k.shape[-1], v.shape[-1])
            state = (C, x.new_zeros(len(x), self.heads))
        inputs = [q, k / k.shape[-1] ** 0.5, v, i, F.logsigmoid(f)]
        y, state = by_chunks(_read, inputs, state, dim=2)
        return self.merge(self.output_gate(x).sigmoid() * join_heads(self.norm(y))), state


def _read(
    q: Tensor, k: Tensor, v: Tensor, i: Tensor, f: Tensor, state: tuple[Tensor, Tensor]
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """One chunk, with the logarithms `i` and `f` of the gates; `C` is stored as `C exp(−m)`.

    Outputs do not depend on the stabiliser `m`, which only keeps the exponentials in range, so that
    no gradient need flow through it.
    """
    C, m_before = state
    total = f.cumsum(-1)  # log of the product of forget gates up to each step
    from_state = total + m_before[..., None]
    square = torch.ones(q.shape[-2], q.shape[-2], dtype=torch.bool, device=q.device)
    pairs = (total[..., None] + (i - total)[..., None, :]).masked_fill(square.triu(1), -torch.inf)
    m = torch.maximum(pairs.amax(-1), from_state).detach()
    weights = (q @ k.mT) * torch.exp(pairs - m[..., None])
    y = weights @ v + torch.exp(from_state - m)[..., None] * (q @ C)
    h = y[..., :-1] / torch.maximum(y[..., -1:].abs(), torch.exp(-m)[..., None])
    m = m[..., -1]
    kept = torch.exp(from_state[..., -1] - m)[..., None, None] * C
    written = torch.exp(pairs[..., -1, :] - m[..., None])[..., None] * k
    return h, (kept + written.mT @ v, m)


@dataclass(frozen=True)
class MLSTM(MultiHead):
    """The matrix LSTM of xLSTM, in pre-norm residual blocks.

        m_t = max(log f_t + m_{t−1}, log i_t)
        i′_t = exp(log i_t − m_t),  f′_t = exp(log f_t + m_{t−1} − m_t)
        C_t = f′_t C_{t−1} + i′_t v_t k_tᵀ,  n_t = f′_t n_{t−1} + i′_t k_t
        h_t = o_t ⊙ norm(C_t q_t / max(|n_t · q_t|, exp(−m_t)))

    with `log i_t = w_i · x_t + b_i` and `log f_t = log σ(w_f · x_t + b_f)` for each head, `o_t` a
    sigmoid for each channel, and keys divided by `√d`.

    Source: Beck et al. 2024, "xLSTM: extended long short-term memory", arXiv:2405.04517. The cell
    stands in a block with an MLP after it, as in the same authors' xLSTM 7B
    (arXiv:2503.13427), and not between the projections and the convolution of the first paper.

    Attributes:
        layers: residual blocks above one another.
        heads: parallel memories in a layer; the width is a multiple of them.
    """

    cost = Cost(compute="T", path="T", sequential="log T")

    def mixer(self, width: int) -> Mixer:
        return MLSTMMixer(width, self.heads)


register("mlstm", MLSTM())
