"""What the tests of recurrent families share: `torch.nn`'s modules with our weights."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from lagbench.layers.recurrent import GRULayer, LSTMLayer, RecurrentLayer, RNNLayer


def doubled(mixer: nn.Module) -> nn.Module:
    """In double precision, with all parameters drawn anew, none of them small or zero."""
    mixer = mixer.double()
    for parameter in mixer.parameters():
        nn.init.normal_(parameter, std=0.5)
    return mixer


def torch_module(layers: Sequence[RecurrentLayer], directions: int = 1) -> nn.RNNBase:
    """`nn.RNN`, `nn.GRU` or `nn.LSTM` of the layers' shape."""
    first = layers[0]
    kind = {RNNLayer: nn.RNN, GRULayer: nn.GRU, LSTMLayer: nn.LSTM}[type(first)]
    options = {"nonlinearity": "relu"} if isinstance(first, RNNLayer) and first.relu else {}
    return kind(
        first.weight_ih.shape[1],
        first.units,
        num_layers=len(layers) // directions,
        bidirectional=directions == 2,
        batch_first=True,
        dtype=first.bias.dtype,
        **options,
    )


def torch_run(
    layers: Sequence[RecurrentLayer],
    x: Tensor,
    lengths: Tensor | None = None,
    state: tuple[Tensor, ...] | None = None,
    directions: int = 1,
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Outputs and last states of torch's module; gradients reach the layers' own parameters.

    layers: below to above, forward before backward in each. lengths: of padded sequences; their
    outputs are zeros on padding. state: parts `(layers, B, H)`.
    """
    module = torch_module(layers, directions)
    weights = dict(
        zip(
            [name for name, _ in module.named_parameters()],
            [weight for layer in layers for weight in _weights(layer)],
            strict=True,
        )
    )
    given = x if lengths is None else pack_padded_sequence(x, lengths, True, False)
    initial = state[0] if state is not None and len(state) == 1 else state
    outputs, last = functional_call(module, weights, (given, initial))
    if lengths is not None:
        outputs, _ = pad_packed_sequence(outputs, batch_first=True, total_length=x.shape[1])
    return outputs, last if isinstance(last, tuple) else (last,)


def _weights(layer: RecurrentLayer) -> list[Tensor]:
    second = torch.zeros_like(layer.bias)
    if isinstance(layer, GRULayer):
        second = torch.cat([second[: 2 * layer.units], layer.bias_hn])
    return [layer.weight_ih, layer.weight_hh, layer.bias, second]


def assert_same(actual: Tensor, expected: Tensor, inputs: Sequence[Tensor]) -> None:
    """Equal values, and equal gradients of a random function of them."""
    torch.testing.assert_close(actual, expected)
    direction = torch.randn_like(expected)
    torch.testing.assert_close(
        torch.autograd.grad(actual, inputs, direction),
        torch.autograd.grad(expected, inputs, direction),
    )
