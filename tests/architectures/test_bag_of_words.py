import pytest
import torch
from torch.nn import functional

from lagbench.architectures.bag_of_words import BagOfWords
from lagbench.contract import Alignment, Signature, Tokens

SIGNATURE = Signature(Tokens(5), Tokens(5), Alignment.POOLED, steps=7)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_equals_torchs_embedding_bag_over_every_prefix(reduction):
    torch.manual_seed(0)
    core = BagOfWords(reduction=reduction).build(6, SIGNATURE).double()
    words = torch.randint(5, (3, 7))
    table = torch.randn(5, 6, dtype=torch.float64, requires_grad=True)
    prefixes = words.repeat_interleave(7, dim=0)  # three sequences, seven prefixes of each
    counted = torch.ones(7, 7, dtype=torch.float64).tril().repeat(3, 1)
    bags = functional.embedding_bag(prefixes, table, mode="sum", per_sample_weights=counted)
    if reduction == "mean":
        bags = bags / counted.sum(1, keepdim=True)
    expected = functional.linear(bags, core.dense.weight, core.dense.bias).relu().view(3, 7, 6)
    actual = core(table[words])
    torch.testing.assert_close(actual, expected)
    wanted = (table, *core.parameters())
    torch.testing.assert_close(
        torch.autograd.grad(actual.square().sum(), wanted),
        torch.autograd.grad(expected.square().sum(), wanted),
    )


def test_the_order_of_the_past_does_not_matter():
    torch.manual_seed(0)
    core = BagOfWords().build(6, SIGNATURE).double()
    x = torch.randn(3, 7, 6, dtype=torch.float64)
    shuffled = torch.cat([x[:, torch.randperm(5)], x[:, 5:]], dim=1)
    torch.testing.assert_close(core(shuffled)[:, 4:], core(x)[:, 4:])
    assert not torch.allclose(core(shuffled)[:, :4], core(x)[:, :4])
