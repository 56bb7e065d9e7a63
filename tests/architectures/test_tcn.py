import pytest
import torch
from torch import Tensor, nn

from lagbench.architectures.tcn import TCN
from lagbench.contract import Alignment, Signature, Tokens, UserError


def build(steps: int = 12, width: int = 5, alignment: Alignment = Alignment.POOLED, **fields):
    torch.manual_seed(0)
    signature = Signature(Tokens(2), Tokens(2), alignment, steps, target_steps=steps)
    return TCN(**fields).build(width, signature).double()


@pytest.mark.parametrize(("kernel", "levels"), [(2, 1), (3, 3)])
def test_equals_the_papers_sums_written_out(kernel, levels):
    core = build(kernel=kernel, levels=levels)
    x = torch.randn(2, 12, 5, dtype=torch.float64, requires_grad=True)
    expected = x
    for level, block in enumerate(core.blocks):
        hidden = dilated(block.first.convolution, expected, 2**level).relu()
        hidden = dilated(block.second.convolution, hidden, 2**level).relu()
        expected = (expected + hidden).relu()
    actual = core(x)
    torch.testing.assert_close(actual, expected)
    wanted = (x, *core.parameters())
    torch.testing.assert_close(
        torch.autograd.grad(actual.square().sum(), wanted),
        torch.autograd.grad(expected.square().sum(), wanted),
    )


def dilated(layer: nn.Conv1d, x: Tensor, dilation: int) -> Tensor:
    """`F(s) = Σ_i f(i) x_{s−d·i}` (equation 2 of the paper), where torch counts i from the end."""
    steps = []
    for s in range(x.shape[1]):
        taps = enumerate(layer.weight.flip(2).unbind(2))
        inside = [x[:, s - dilation * i] @ tap.mT for i, tap in taps if s >= dilation * i]
        steps.append(layer.bias + sum(inside))
    return torch.stack(steps, dim=1)


@pytest.mark.parametrize(("kernel", "levels"), [(2, 1), (2, 4), (3, 3), (5, 2)])
def test_the_receptive_field_ends_exactly_where_it_is_said_to(kernel, levels):
    core = build(width=1, kernel=kernel, levels=levels)
    for parameter in core.parameters():
        parameter.data.fill_(0.5)  # everything is positive, so that no relu closes
    x = torch.ones(1, 40, 1, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(core(x)[:, -1].sum(), x)
    assert gradient.ne(0).sum() == TCN(kernel).receptive_field(levels)
    assert gradient[0, -TCN(kernel).receptive_field(levels) :].ne(0).all()


@pytest.mark.parametrize("steps", [1, 2, 15, 16, 128, 1000])
def test_by_default_it_sees_the_whole_sequence_and_has_no_level_too_many(steps):
    levels = len(build(steps).blocks)
    assert TCN().receptive_field(levels) >= steps
    assert levels == 1 or TCN().receptive_field(levels - 1) < steps


def test_as_a_prefix_model_it_sees_the_source_from_the_last_target():
    assert len(build(15).blocks) == 1
    assert len(build(15, alignment=Alignment.FREE).blocks) == len(build(30).blocks) == 2


def test_impossible_fields_are_refused():
    with pytest.raises(UserError, match="at least 2"):
        TCN(kernel=1)
    with pytest.raises(UserError, match="at least 1"):
        TCN(levels=0)
