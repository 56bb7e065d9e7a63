import pytest
import torch
from torch import Tensor

from lagbench import registry
from lagbench.architectures.bidirectional import BiGRU, BiLSTM, BiRNN
from lagbench.contract import Alignment, Pool, Signature, Tokens
from tests.architectures.torch_recurrent import assert_same, doubled, torch_run

SIGNATURE = Signature(Tokens(4), Tokens(4), Alignment.POOLED, steps=8, padded=True)
LENGTHS = torch.tensor([4, 7, 1])
MASK = torch.arange(7) < LENGTHS[:, None]

by_family = pytest.mark.parametrize("family", [BiRNN, BiGRU, BiLSTM])


def inputs() -> Tensor:
    torch.manual_seed(0)
    return torch.randn(3, 7, 6, dtype=torch.float64, requires_grad=True)


@by_family
@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("padded", [False, True])
def test_equals_torch(family: type, layers: int, padded: bool) -> None:
    x = inputs()
    mixer = doubled(family(layers).build(6, SIGNATURE))
    both = [layer for level in mixer.layers for layer in (level.ahead, level.back)]
    outputs, _ = torch_run(both, x, LENGTHS if padded else None, directions=2)
    actual = mixer(x, MASK).masked_fill(~MASK[..., None], 0) if padded else mixer(x)
    assert_same(actual, outputs, [x, *mixer.parameters()])


@by_family
def test_sum_of_directions(family: type) -> None:
    x = inputs()
    mixer = doubled(family(merge="sum").build(6, SIGNATURE))
    (level,) = mixer.layers
    outputs, _ = torch_run([level.ahead, level.back], x, LENGTHS, directions=2)
    ahead, back = outputs.chunk(2, dim=-1)
    actual = mixer(x, MASK).masked_fill(~MASK[..., None], 0)
    assert_same(actual, ahead + back, [x, *mixer.parameters()])


def test_what_is_declared() -> None:
    for name in ("birnn", "bigru", "bilstm", "deep_bilstm"):
        architecture = registry.architectures()[name]
        assert architecture.pool is Pool.ENDS
        assert not architecture.causal
        assert architecture.width_multiple == 2
    assert registry.architecture("bilstm:merge=sum").value.width_multiple == 1
    assert len(registry.architectures()["deep_bilstm"].build(4, SIGNATURE).layers) == 2
