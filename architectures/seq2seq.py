"""An encoder and a decoder between which one state crosses."""

from dataclasses import dataclass

from torch import Tensor

from lagbench import Cost, Signature, Transducer, register
from lagbench.layers.encoder_decoder import CELLS, RecurrentEncoderDecoder, read
from lagbench.layers.recurrent import RecurrentLayer, States


@dataclass(frozen=True)
class Seq2Seq(RecurrentEncoderDecoder):
    """The whole source in the encoder's last state, with which the decoder begins.

        h_t = f(x_t, h_{t−1}),  s_0 = h_T,  s_u = g(y_{u−1}, s_{u−1})

    Outputs are the decoder's states. Nothing else of the source is seen again: what does not fit
    into `D` numbers (`2 D` of an LSTM) is lost.

    Source: Sutskever et al. 2014, "Sequence to sequence learning with neural networks", with one
    layer where the paper has four LSTMs, and the source in its own order.

    Attributes:
        cell: rnn, gru or lstm, of the encoder and the decoder.
    """

    cost = Cost(compute="T", path="T", sequential="T")

    def build(self, width: int, signature: Signature) -> Transducer:
        """Two cells of the width, with parameters of their own."""
        cell = CELLS[self.cell]
        return Seq2SeqTransducer(cell(width, width), cell(width, width))


class Seq2SeqTransducer(Transducer):
    """`(B, T, D)` and `(B, U, D) -> (B, U, D)`."""

    def __init__(self, encoder: RecurrentLayer, decoder: RecurrentLayer) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder

    def start(self, source: Tensor, mask: Tensor | None = None) -> States:
        """The encoder's state after the last real step."""
        return read(self.encoder, source, mask)[1]

    def extend(self, prefix: Tensor, state: States) -> tuple[Tensor, States]:
        """The decoder over `u` further targets, in one call; the state is its own."""
        return self.decoder.extend(prefix, state)


register("seq2seq", Seq2Seq())
