"""The simple recurrent network, with tanh or with rectified units."""

from dataclasses import dataclass
from typing import Literal

from torch import nn

from lagbench import register
from lagbench.layers.recurrent import RecurrentLayer, RNNLayer
from lagbench.layers.stack import Recurrent


@dataclass(frozen=True)
class RNN(Recurrent):
    """The simple recurrent network: the state is read, mixed and squashed at every step.

        h_t = φ(W x_t + U h_{t−1} + b)

    What step t − k left is multiplied by diag(φ′) U once for each of k steps, and so vanishes or
    explodes with k (Hochreiter 1991; Bengio et al. 1994). With relu and `U = I` (`irnn`) it is
    neither to begin with; there W is drawn from N(0, 0.001²).

    Source: Elman 1990, "Finding structure in time"; Le et al. 2015, "A simple way to initialize
    recurrent networks of rectified linear units".

    Attributes:
        layers: above one another, each with its own parameters.
        nonlinearity: φ, tanh or relu.
        identity: begin with U = I and small W, rather than with both uniform in ±1/√D.
    """

    nonlinearity: Literal["tanh", "relu"] = "tanh"
    identity: bool = False

    @property
    def max_vmap_tokens(self) -> int | None:
        return RNNLayer.max_vmap_tokens(single_layer=self.layers == 1)

    def layer(self, inputs: int, units: int) -> RecurrentLayer:
        """One layer, initialised as the fields say."""
        layer = RNNLayer(inputs, units, relu=self.nonlinearity == "relu")
        if self.identity:
            nn.init.eye_(layer.weight_hh)
            nn.init.normal_(layer.weight_ih, std=0.001)
        return layer


register("rnn", RNN())
register("irnn", RNN(nonlinearity="relu", identity=True))
register("deep_rnn", RNN(layers=2))
