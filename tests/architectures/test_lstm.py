import pytest
import torch
from torch import Tensor, sigmoid, tanh

from lagbench.architectures.lstm import LSTM
from lagbench.contract import Alignment, Signature, Tokens
from lagbench.layers.recurrent import LSTMLayer
from tests.architectures.torch_recurrent import assert_same, doubled, torch_run

SIGNATURE = Signature(Tokens(4), Tokens(4), Alignment.POOLED, steps=8)


def inputs() -> Tensor:
    torch.manual_seed(0)
    return torch.randn(3, 6, 4, dtype=torch.float64, requires_grad=True)


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_equals_torch(layers: int) -> None:
    x = inputs()
    mixer = doubled(LSTM(layers).build(4, SIGNATURE))
    outputs, _ = torch_run(mixer.layers, x)
    assert_same(mixer(x), outputs, [x, *mixer.parameters()])


def test_states_after_equal_torch() -> None:
    x = inputs()
    mixer = doubled(LSTM(2).build(4, SIGNATURE))
    before = tuple(torch.randn(2, 3, 4, dtype=x.dtype, requires_grad=True) for _ in range(2))
    outputs, after = mixer.extend(x, tuple((h, c) for h, c in zip(*before, strict=True)))
    expected, last = torch_run(mixer.layers, x, state=before)
    leaves = [x, *before, *mixer.parameters()]
    assert_same(outputs.sum() + sum((h * c).sum() for h, c in after),
                expected.sum() + (last[0] * last[1]).sum(), leaves)  # fmt: skip


def with_peepholes(layer: LSTMLayer, x: Tensor) -> Tensor:
    """The equations of Gers and Schmidhuber 2000, step by step and sequence by sequence."""
    w, u, b = (part.chunk(4) for part in (layer.weight_ih, layer.weight_hh, layer.bias))
    p_i, p_f, p_o = layer.peepholes
    rows = []
    for sequence in x:
        h = c = torch.zeros(4, dtype=x.dtype)
        states = []
        for x_t in sequence:
            i = sigmoid(w[0] @ x_t + u[0] @ h + b[0] + p_i * c)
            f = sigmoid(w[1] @ x_t + u[1] @ h + b[1] + p_f * c)
            c = f * c + i * tanh(w[2] @ x_t + u[2] @ h + b[2])
            o = sigmoid(w[3] @ x_t + u[3] @ h + b[3] + p_o * c)
            h = o * tanh(c)
            states.append(h)
        rows.append(torch.stack(states))
    return torch.stack(rows)


def test_peepholes_equal_the_equations() -> None:
    x = inputs()
    mixer = doubled(LSTM(peephole=True).build(4, SIGNATURE))
    assert_same(mixer(x), with_peepholes(mixer.layers[0], x), [x, *mixer.parameters()])


def test_peepholes_begin_shut() -> None:
    torch.manual_seed(1)
    plain = LSTM().build(4, SIGNATURE)
    torch.manual_seed(1)
    peephole = LSTM(peephole=True).build(4, SIGNATURE)
    x = torch.randn(3, 6, 4)
    torch.testing.assert_close(peephole(x), plain(x))
