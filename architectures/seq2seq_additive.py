"""An encoder–decoder whose attention comes before each step of the decoder."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lagbench import Cost, Signature, Transducer, register
from lagbench.layers.encoder_decoder import (
    CELLS,
    Memory,
    RecurrentEncoderDecoder,
    shares,
    stepwise,
)
from lagbench.layers.padding import reverse
from lagbench.layers.recurrent import RecurrentLayer, States


@dataclass(frozen=True)
class Seq2SeqAdditive(RecurrentEncoderDecoder):
    """Each step of the decoder first asks, with its last state, where in the source to look.

        h_t = [→h_t; ←h_t],  s_0 = tanh(W_s ←h_1)
        e_ut = v · tanh(W s_{u−1} + U h_t),  α_u = softmax(e_u),  c_u = Σ_t α_ut h_t
        s_u = g([y_{u−1}; c_u], s_{u−1}),  output_u = maxout(W_o [s_u; y_{u−1}; c_u])

    Biases are left out here. The context c is fed to the next state (that is this paper's input
    feeding), so the decoder is a loop in Python over target steps; `U h` is computed once a source.

    Source: Bahdanau et al. 2015, "Neural machine translation by jointly learning to align and
    translate"; outputs read the new state `s_u`, where its appendix has `s_{u−1}`.

    Attributes:
        cell: rnn, gru or lstm, of both directions of the encoder and of the decoder.
    """

    cost = Cost(compute="T²", path="1", sequential="T")

    def build(self, width: int, signature: Signature) -> Transducer:
        """Three cells of the width, with parameters of their own."""
        cell = CELLS[self.cell]
        return AdditiveTransducer(
            cell(width, width), cell(width, width), cell(3 * width, width), width
        )


class AdditiveTransducer(Transducer):
    """`(B, T, D)` and `(B, U, D) -> (B, U, D)`."""

    def __init__(
        self, ahead: RecurrentLayer, back: RecurrentLayer, decoder: RecurrentLayer, width: int
    ) -> None:
        super().__init__()
        self.ahead, self.back, self.decoder = ahead, back, decoder
        self.bridge = nn.Linear(width, decoder.carried * width)
        self.query = nn.Linear(width, width, bias=False)
        self.key = nn.Linear(2 * width, width)
        self.energy = nn.Linear(width, 1, bias=False)
        self.output = nn.Linear(4 * width, 2 * width)

    def start(self, source: Tensor, mask: Tensor | None = None) -> tuple[States, Memory]:
        """The decoder's first state, and `h` and `U h`, with the mask where there is one."""
        back = reverse(self.back(reverse(source, mask)), mask)
        h = torch.cat([self.ahead(source), back], dim=-1)
        first = torch.tanh(self.bridge(back[:, 0])).chunk(self.decoder.carried, dim=-1)
        memory = (h, stepwise(self.key, h))
        return first, memory if mask is None else (*memory, mask)

    def extend(
        self, prefix: Tensor, state: tuple[States, Memory]
    ) -> tuple[Tensor, tuple[States, Memory]]:
        """One attention and one step of the decoder for each of `u` further targets."""
        s, weights, states = self._decoded(prefix, state)
        context = weights @ state[1][0]
        candidates = stepwise(self.output, torch.cat([s, prefix, context], dim=-1))
        return torch.unflatten(candidates, -1, (-1, 2)).amax(-1), (states, state[1])

    def attention(self, source: Tensor, mask: Tensor | None, prefix: Tensor) -> Tensor:
        """The attention weights `α` `(B, U, T)`, for probes; a row sums to one."""
        return self._decoded(prefix, self.start(source, mask))[1]

    def _decoded(
        self, prefix: Tensor, state: tuple[States, Memory]
    ) -> tuple[Tensor, Tensor, States]:
        """All `s` `(B, u, D)` and `α` `(B, u, T)`, and the states after them."""
        states, (h, keys, *mask) = state
        s, weights = [], []
        for y in torch.split(prefix, 1, dim=1):
            asked = torch.tanh(self.query(states[0])[:, None] + keys)
            weights.append(shares(stepwise(self.energy, asked).mT, *mask))
            entering = torch.cat([y, weights[-1] @ h], dim=-1)
            new, states = self.decoder.extend(entering, states)
            s.append(new)
        return torch.cat(s, dim=1), torch.cat(weights, dim=1), states


register("seq2seq_additive", Seq2SeqAdditive())
