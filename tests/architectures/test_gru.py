from collections.abc import Callable

import pytest
import torch
from torch import Tensor, sigmoid, tanh

from lagbench.architectures.gru import GRU, MinimalGRU, OriginalGRU
from lagbench.contract import Alignment, Signature, Tokens
from lagbench.layers.recurrent import RecurrentLayer
from tests.architectures.torch_recurrent import assert_same, doubled, torch_run

SIGNATURE = Signature(Tokens(4), Tokens(4), Alignment.POOLED, steps=8)


def inputs() -> Tensor:
    torch.manual_seed(0)
    return torch.randn(3, 6, 4, dtype=torch.float64, requires_grad=True)


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_equals_torch(layers: int) -> None:
    x = inputs()
    mixer = doubled(GRU(layers).build(4, SIGNATURE))
    outputs, _ = torch_run(mixer.layers, x)
    assert_same(mixer(x), outputs, [x, *mixer.parameters()])


def original(layer: RecurrentLayer, x: Tensor) -> Tensor:
    """The equations of Cho et al. 2014, step by step and sequence by sequence."""
    (w_r, w_z, w_n), (u_r, u_z, u_n), (b_r, b_z, b_n) = (
        part.chunk(3) for part in (layer.weight_ih, layer.weight_hh, layer.bias)
    )
    rows = []
    for sequence in x:
        h, states = torch.zeros(4, dtype=x.dtype), []
        for x_t in sequence:
            r = sigmoid(w_r @ x_t + u_r @ h + b_r)
            z = sigmoid(w_z @ x_t + u_z @ h + b_z)
            n = tanh(w_n @ x_t + u_n @ (r * h) + b_n)
            h = (1 - z) * n + z * h
            states.append(h)
        rows.append(torch.stack(states))
    return torch.stack(rows)


def minimal(layer: RecurrentLayer, x: Tensor) -> Tensor:
    """The equations with the update gate alone."""
    (w_z, w_n), (u_z, u_n), (b_z, b_n) = (
        part.chunk(2) for part in (layer.weight_ih, layer.weight_hh, layer.bias)
    )
    rows = []
    for sequence in x:
        h, states = torch.zeros(4, dtype=x.dtype), []
        for x_t in sequence:
            z = sigmoid(w_z @ x_t + u_z @ h + b_z)
            h = (1 - z) * tanh(w_n @ x_t + u_n @ h + b_n) + z * h
            states.append(h)
        rows.append(torch.stack(states))
    return torch.stack(rows)


@pytest.mark.parametrize(("family", "equations"), [(OriginalGRU, original), (MinimalGRU, minimal)])
@pytest.mark.parametrize("layers", [1, 2])
def test_equals_the_equations(family: type, equations: Callable[..., Tensor], layers: int) -> None:
    x = inputs()
    mixer = doubled(family(layers).build(4, SIGNATURE))
    expected = x
    for layer in mixer.layers:
        expected = equations(layer, expected)
    assert_same(mixer(x), expected, [x, *mixer.parameters()])
