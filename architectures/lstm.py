"""The long short-term memory."""

from dataclasses import dataclass

from lagbench import register
from lagbench.layers.recurrent import LSTMLayer, RecurrentLayer
from lagbench.layers.stack import Recurrent


@dataclass(frozen=True)
class LSTM(Recurrent):
    """The long short-term memory: a cell c that gates write, keep and show.

        i_t = σ(W_i x_t + U_i h_{t−1} + b_i)      g_t = tanh(W_g x_t + U_g h_{t−1} + b_g)
        f_t = σ(W_f x_t + U_f h_{t−1} + b_f)      o_t = σ(W_o x_t + U_o h_{t−1} + b_o)
        c_t = f_t ∘ c_{t−1} + i_t ∘ g_t           h_t = o_t ∘ tanh(c_t)

    Peepholes add p_i ∘ c_{t−1}, p_f ∘ c_{t−1} and p_o ∘ c_t inside the three σ. b_f begins at 1.

    Source: Hochreiter and Schmidhuber 1997, "Long short-term memory"; the forget gate from Gers et
    al. 2000, "Learning to forget"; peepholes from Gers and Schmidhuber 2000, "Recurrent nets that
    time and count".

    Attributes:
        layers: above one another, each with its own parameters.
        peephole: whether gates see the cell.
    """

    peephole: bool = False

    @property
    def max_vmap_tokens(self) -> int | None:
        return LSTMLayer.max_vmap_tokens(single_layer=self.layers == 1)

    def layer(self, inputs: int, units: int) -> RecurrentLayer:
        return LSTMLayer(inputs, units, self.peephole)


register("lstm", LSTM())
register("deep_lstm", LSTM(layers=2))
