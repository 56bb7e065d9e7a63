import pytest
import torch

from lagbench import registry
from lagbench.architectures.rnn import RNN
from lagbench.contract import Alignment, Signature, Tokens, UserError
from tests.architectures.torch_recurrent import assert_same, doubled, torch_run

SIGNATURE = Signature(Tokens(4), Tokens(4), Alignment.POOLED, steps=8)


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("nonlinearity", ["tanh", "relu"])
def test_equals_torch(nonlinearity: str, layers: int) -> None:
    torch.manual_seed(0)
    mixer = doubled(RNN(layers=layers, nonlinearity=nonlinearity).build(4, SIGNATURE))
    x = torch.randn(3, 6, 4, dtype=torch.float64, requires_grad=True)
    outputs, _ = torch_run(mixer.layers, x)
    assert_same(mixer(x), outputs, [x, *mixer.parameters()])


def test_irnn_begins_as_the_sum_of_what_it_read() -> None:
    torch.manual_seed(0)
    mixer = registry.architectures()["irnn"].build(50, SIGNATURE)
    (layer,) = mixer.layers
    torch.testing.assert_close(layer.weight_hh.detach(), torch.eye(50))
    torch.testing.assert_close(layer.weight_ih.std().item(), 0.001, rtol=0.05, atol=0)
    torch.nn.init.eye_(layer.weight_ih)
    x = torch.rand(2, 9, 50)
    torch.testing.assert_close(mixer(x), x.cumsum(1))


@pytest.mark.parametrize("name", ["rnn", "gru", "lstm"])
def test_deep_presets_have_two_layers_or_as_many_as_are_asked_for(name: str) -> None:
    for text, count in ((name, 1), (f"deep_{name}", 2), (f"deep_{name}:layers=3", 3)):
        mixer = registry.architecture(text).value.build(4, SIGNATURE)
        assert len({layer.weight_hh for layer in mixer.layers}) == count


def test_no_layers_are_refused() -> None:
    with pytest.raises(UserError, match="layers must be at least 1"):
        RNN(layers=0)
    with pytest.raises(UserError, match="layers must be at least 1"):
        registry.architecture("deep_gru:layers=0")
