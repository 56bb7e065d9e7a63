import pytest
import torch
from torch import nn

from lagbench.architectures.dense import Dense
from lagbench.contract import Alignment, Reals, Signature, UserError


def build(alignment: Alignment):
    torch.manual_seed(0)
    return Dense().build(4, Signature(Reals(), Reals(), alignment, steps=6)).double()


@pytest.mark.parametrize("alignment", [Alignment.POOLED, Alignment.ALIGNED])
def test_equals_a_perceptron_on_the_flat_sequence(alignment):
    core = build(alignment)
    outputs = 1 if alignment is Alignment.POOLED else 6
    reference = nn.Sequential(
        nn.Flatten(), nn.Linear(24, 4), nn.ReLU(), nn.Linear(4, 4 * outputs), nn.ReLU()
    ).double()
    for own, other in zip(core.parameters(), reference.parameters(), strict=True):
        own.data.copy_(other.data)
    x = torch.randn(3, 6, 4, dtype=torch.float64, requires_grad=True)
    expected = torch.cat([reference(x).view(3, outputs, 4)] * (6 // outputs), dim=1)
    actual = core(x)
    torch.testing.assert_close(actual, expected)
    torch.testing.assert_close(
        torch.autograd.grad(actual.square().sum(), (x, *core.parameters())),
        torch.autograd.grad(expected.square().sum(), (x, *reference.parameters())),
    )


def test_what_is_short_or_padded_ends_in_zeros():
    core = build(Alignment.ALIGNED)
    x = torch.randn(3, 6, 4, dtype=torch.float64)
    x[:, 4:] = 0
    expected = core(x)[:, :4]
    torch.testing.assert_close(core(x[:, :4]), expected)
    mask = torch.arange(6).expand(3, -1) < 4
    padded = x.masked_fill(~mask.unsqueeze(2), torch.nan)
    torch.testing.assert_close(core(padded, mask)[:, :4], expected)


def test_nothing_is_shared_across_positions():
    core = build(Alignment.POOLED)
    x = torch.zeros(6, 6, 4, dtype=torch.float64)
    x[range(6), range(6)] = torch.ones(4, dtype=torch.float64)  # one word, everywhere in turn
    hidden = core.inner(x.flatten(1))
    assert torch.pdist(hidden).min() > 1e-3


def test_a_longer_sequence_is_refused():
    with pytest.raises(UserError, match="6 steps at most, not 7"):
        build(Alignment.POOLED)(torch.zeros(1, 7, 4, dtype=torch.float64))
