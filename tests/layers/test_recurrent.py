"""Layers: the library's routes against our kernels, states, and how weights begin."""

import pytest
import torch
from torch import Tensor, nn

from lagbench.kernels.library import library
from lagbench.layers.recurrent import (
    GRULayer,
    LSTMLayer,
    MinimalGRULayer,
    OriginalGRULayer,
    RecurrentLayer,
    RNNLayer,
    in_one_piece,
)

LAYERS = {
    "rnn": RNNLayer,
    "relu": lambda inputs, units: RNNLayer(inputs, units, relu=True),
    "gru": GRULayer,
    "gru_original": OriginalGRULayer,
    "gru_minimal": MinimalGRULayer,
    "lstm": LSTMLayer,
    "peephole": lambda inputs, units: LSTMLayer(inputs, units, peephole=True),
}
LIBRARY = [name for name in LAYERS if name in ("rnn", "relu", "gru", "lstm")]


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def output(name: str, units: int = 5) -> RecurrentLayer:
    layer = LAYERS[name](3, units)
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return layer


def everything(layer: RecurrentLayer, x: Tensor, state: tuple[Tensor, ...]) -> list[Tensor]:
    """Outputs, states after, and the gradients of both to inputs, states and parameters."""
    outputs, after = layer.extend(x, state)
    weighted = [(tensor * torch.linspace(-1, 1, tensor.numel()).view_as(tensor)).sum()
                for tensor in (outputs, *after)]  # fmt: skip
    gradients = torch.autograd.grad(sum(weighted), [x, *state, *layer.parameters()])
    return [outputs, *after, *gradients]


def given(layer: RecurrentLayer, **options: object) -> tuple[Tensor, tuple[Tensor, ...]]:
    x = torch.randn(4, 7, 3, requires_grad=True, **options)
    state = tuple(torch.randn(4, 5, requires_grad=True, **options) for _ in range(layer.carried))
    return x, state


@pytest.mark.parametrize("name", LIBRARY)
def test_library_and_kernel_agree(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    layer = output(name)
    x, state = given(layer)
    layer.under_vmap = True
    expected = everything(layer, x, state)
    monkeypatch.setattr(type(layer), "library_runs", lambda layer: True)
    layer.under_vmap = False
    torch.testing.assert_close(everything(layer, x, state), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", LIBRARY)
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_cudnn_and_kernel_agree(name: str) -> None:
    layer = output(name).double().cuda()
    x, state = given(layer, device="cuda", dtype=torch.float64)
    layer.under_vmap = True
    expected = everything(layer, x, state)
    layer.under_vmap = False
    torch.testing.assert_close(everything(layer, x, state), expected)


def test_an_lstm_alone_in_single_precision_runs_on_the_library_where_ours_is_not_compiled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    narrow, wide = LSTMLayer(3, 1), LSTMLayer(3, 64)
    assert narrow.library_runs() == torch.backends.mkldnn.is_available()  # too narrow for ours
    assert wide.library_runs() == (library() is None and torch.backends.mkldnn.is_available())
    monkeypatch.setattr("lagbench.kernels.lstm.supported", lambda *_: False)
    assert wide.library_runs() == torch.backends.mkldnn.is_available()
    assert not narrow.double().library_runs()
    wide.under_vmap = True
    assert not wide.library_runs()


def test_in_one_piece() -> None:
    parts = [torch.randn(4, 3).mT, torch.randn(5), torch.randn(2, 2)]
    pieces = in_one_piece(parts)
    torch.testing.assert_close(pieces, parts, rtol=0, atol=0)
    ends = [piece.data_ptr() + piece.nbytes for piece in pieces]
    assert [piece.data_ptr() for piece in pieces[1:]] == ends[:-1]


@pytest.mark.parametrize("name", LAYERS)
def test_state_is_that_after_the_last_step(name: str) -> None:
    layer, x = output(name), torch.randn(4, 7, 3)
    outputs, state = layer.extend(x)
    assert len(state) == layer.carried
    torch.testing.assert_close(state[0], outputs[:, -1])
    first, middle = layer.extend(x[:, :3])
    second, last = layer.extend(x[:, 3:], middle)
    torch.testing.assert_close(torch.cat([first, second], dim=1), outputs)
    torch.testing.assert_close(last, state)


@pytest.mark.parametrize("name", LAYERS)
def test_initialisation(name: str) -> None:
    layer = LAYERS[name](40, 100)
    for weight in (layer.weight_ih, layer.weight_hh):
        assert weight.abs().max() <= 0.1
        torch.testing.assert_close(weight.std().item(), 0.1 / 3**0.5, rtol=0.05, atol=0)
    biases = torch.zeros(layer.gates, 100)
    if layer.gates == 4:
        biases[1] = 1
    torch.testing.assert_close(layer.bias.detach(), biases.flatten())


EMBEDDERS = {
    "few symbols": lambda: nn.Embedding(6, 3),
    "many symbols": lambda: nn.Embedding(60, 3),
    "narrow values": lambda: nn.Linear(2, 3),
    "wide values": lambda: nn.Linear(4, 3),
}


@pytest.mark.parametrize("kind", EMBEDDERS)
@pytest.mark.parametrize("units", [5, 21])
@pytest.mark.parametrize("name", LAYERS)
def test_reading_raw_inputs_is_reading_them_embedded(name: str, units: int, kind: str) -> None:
    layer, embed = output(name, units).double(), EMBEDDERS[kind]().double()
    source = (
        torch.randint(embed.num_embeddings, (4, 7))
        if isinstance(embed, nn.Embedding)
        else torch.randn(4, 7, embed.in_features, dtype=torch.float64)
    )
    table = layer.table(embed, source)
    assert (table is not None) == (kind in ("few symbols", "narrow values"))
    actual, expected = layer.forward_with_embedding(embed, source), layer(embed(source))
    torch.testing.assert_close(actual, expected)
    leaves = [*embed.parameters(), *layer.parameters()]
    weights = torch.randn_like(expected)
    torch.testing.assert_close(
        torch.autograd.grad(actual, leaves, weights), torch.autograd.grad(expected, leaves, weights)
    )
