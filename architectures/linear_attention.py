"""Linear attention: a kernel in place of the softmax makes the Transformer a recurrence."""

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from lagbench import Cost, Mixer, State, register
from lagbench.layers.block import MultiHead
from lagbench.layers.chunks import by_chunks, join_heads, split_heads

_EPSILON = 1e-6  # as in the authors' code: features may vanish


class LinearAttentionMixer(Mixer):
    """One layer of causal linear attention, without its block."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.project = nn.Linear(width, 3 * width, bias=False)
        self.merge = nn.Linear(width, width)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        return self.extend(x)[0]

    def extend(self, x: Tensor, state: State = None) -> tuple[Tensor, State]:
        """The state is `S` and, as its last column, `z`: `(B, H, d, d + 1)`."""
        q, k, v = split_heads(self.project(x), self.heads).unbind()
        v = F.pad(v, (0, 1), value=1.0)  # so that S φ(q) and z φ(q) are one product
        if state is None:
            state = x.new_zeros(len(x), self.heads, k.shape[-1], v.shape[-1])
        y, state = by_chunks(_read, [1 + F.elu(q), 1 + F.elu(k), v], state, dim=2)
        y = y[..., :-1] / (y[..., -1:] + _EPSILON)
        return self.merge(join_heads(y)), state


def _read(q: Tensor, k: Tensor, v: Tensor, S: Tensor) -> tuple[Tensor, Tensor]:
    """One chunk: attention inside it, and to all before it through the state."""
    return (q @ k.mT).tril() @ v + q @ S, S + k.mT @ v


@dataclass(frozen=True)
class LinearAttention(MultiHead):
    """Causal linear attention, in pre-norm residual blocks; no positions.

        φ(x) = elu(x) + 1
        S_t = S_{t−1} + φ(k_t) v_tᵀ,  z_t = z_{t−1} + φ(k_t)
        y_t = S_tᵀ φ(q_t) / (z_t · φ(q_t))

    Source: Katharopoulos et al. 2020, "Transformers are RNNs: fast autoregressive transformers with
    linear attention", arXiv:2006.16236.

    Attributes:
        layers: residual blocks above one another.
        heads: parallel memories in a layer; the width is a multiple of them.
    """

    cost = Cost(compute="T", path="1", sequential="1")

    def mixer(self, width: int) -> Mixer:
        return LinearAttentionMixer(width, self.heads)


register("linear_attention", LinearAttention())
