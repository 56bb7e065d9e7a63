"""Gated recurrent units: as they are trained everywhere, as first published, and at their least."""

from dataclasses import dataclass

from lagbench import register
from lagbench.layers.recurrent import (
    GRULayer,
    MinimalGRULayer,
    OriginalGRULayer,
    RecurrentLayer,
)
from lagbench.layers.stack import Recurrent


@dataclass(frozen=True)
class GRU(Recurrent):
    """The gated recurrent unit: a state that is kept where the update gate z is open.

        r_t = σ(W_r x_t + U_r h_{t−1} + b_r)
        z_t = σ(W_z x_t + U_z h_{t−1} + b_z)
        n_t = tanh(W_n x_t + b_n + r_t ∘ (U_n h_{t−1} + b_hn))
        h_t = (1 − z_t) ∘ n_t + z_t ∘ h_{t−1}

    The reset gate r acts after the recurrent product, so that one product serves all gates: the
    form of cuDNN and of every framework. `gru_original` has it before.

    Source: Cho et al. 2014, "Learning phrase representations using RNN encoder–decoder for
    statistical machine translation", arXiv:1406.1078v1.

    Attributes:
        layers: above one another, each with its own parameters.
    """

    @property
    def max_vmap_tokens(self) -> int | None:
        return GRULayer.max_vmap_tokens(single_layer=self.layers == 1)

    def layer(self, inputs: int, units: int) -> RecurrentLayer:
        return GRULayer(inputs, units)


@dataclass(frozen=True)
class OriginalGRU(Recurrent):
    """The gated recurrent unit with the reset gate before the recurrent product.

        r_t = σ(W_r x_t + U_r h_{t−1} + b_r)
        z_t = σ(W_z x_t + U_z h_{t−1} + b_z)
        n_t = tanh(W_n x_t + U_n (r_t ∘ h_{t−1}) + b_n)
        h_t = (1 − z_t) ∘ n_t + z_t ∘ h_{t−1}

    Source: Cho et al. 2014, "Learning phrase representations using RNN encoder–decoder for
    statistical machine translation", arXiv:1406.1078v3, as published.

    Attributes:
        layers: above one another, each with its own parameters.
    """

    def layer(self, inputs: int, units: int) -> RecurrentLayer:
        return OriginalGRULayer(inputs, units)


@dataclass(frozen=True)
class MinimalGRU(Recurrent):
    """The gated recurrent unit with the update gate alone: nothing is reset.

        z_t = σ(W_z x_t + U_z h_{t−1} + b_z)
        n_t = tanh(W_n x_t + U_n h_{t−1} + b_n)
        h_t = (1 − z_t) ∘ n_t + z_t ∘ h_{t−1}

    Source: the simplified form with which lectures introduce the gate of Cho et al. 2014,
    arXiv:1406.1078.

    Attributes:
        layers: above one another, each with its own parameters.
    """

    def layer(self, inputs: int, units: int) -> RecurrentLayer:
        return MinimalGRULayer(inputs, units)


register("gru", GRU())
register("gru_original", OriginalGRU())
register("gru_minimal", MinimalGRU())
register("deep_gru", GRU(layers=2))
