"""An encoder–decoder whose attention follows the decoder's recurrence."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lagbench import Cost, Signature, Transducer, register
from lagbench.layers.encoder_decoder import (
    CELLS,
    Memory,
    RecurrentEncoderDecoder,
    read,
    shares,
    stepwise,
)
from lagbench.layers.recurrent import RecurrentLayer, States


@dataclass(frozen=True)
class Seq2SeqDot(RecurrentEncoderDecoder):
    """Each state of the decoder looks at all states of the encoder, by their dot products.

        h_t = f(x_t, h_{t−1}),  s_0 = h_T,  s_u = g(y_{u−1}, s_{u−1})
        α_ut = softmax_t(s_u · h_t),  c_u = Σ_t α_ut h_t,  output_u = tanh(W [c_u; s_u])

    There is no input feeding: neither c nor the output enters the next state, so all of a known
    prefix is one call of the recurrence and one product.

    Source: Luong et al. 2015, "Effective approaches to attention-based neural machine
    translation", global attention, score `dot`.

    Attributes:
        cell: rnn, gru or lstm, of the encoder and the decoder.
    """

    cost = Cost(compute="T²", path="1", sequential="T")

    def build(self, width: int, signature: Signature) -> Transducer:
        """Two cells of the width, with parameters of their own."""
        cell = CELLS[self.cell]
        return DotTransducer(cell(width, width), cell(width, width))


class DotTransducer(Transducer):
    """`(B, T, D)` and `(B, U, D) -> (B, U, D)`."""

    def __init__(self, encoder: RecurrentLayer, decoder: RecurrentLayer) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.combine = nn.Linear(2 * encoder.units, encoder.units, bias=False)

    def start(self, source: Tensor, mask: Tensor | None = None) -> tuple[States, Memory]:
        """The encoder's last state and all `h`, with the mask where there is one."""
        h, states = read(self.encoder, source, mask)
        h = h.contiguous()  # else every product with them copies them
        return states, (h,) if mask is None else (h, mask)

    def extend(
        self, prefix: Tensor, state: tuple[States, Memory]
    ) -> tuple[Tensor, tuple[States, Memory]]:
        """The decoder over `u` further targets, then attention for all of them at once."""
        states, memory = state
        s, states = self.decoder.extend(prefix, states)
        context = self._weights(s, memory) @ memory[0]
        both = torch.cat([context, s], dim=-1)
        return torch.tanh(stepwise(self.combine, both)), (states, memory)

    def attention(self, source: Tensor, mask: Tensor | None, prefix: Tensor) -> Tensor:
        """The attention weights `α` `(B, U, T)`, for probes; a row sums to one."""
        states, memory = self.start(source, mask)
        return self._weights(self.decoder.extend(prefix, states)[0], memory)

    def _weights(self, s: Tensor, memory: Memory) -> Tensor:
        h, *mask = memory
        return shares(s @ h.mT, *mask)


register("seq2seq_dot", Seq2SeqDot())
