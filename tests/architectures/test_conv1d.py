import pytest
import torch
from torch import nn

from lagbench.architectures.conv1d import Conv1d
from lagbench.contract import Alignment, Reals, Signature, UserError

SIGNATURE = Signature(Reals(), Reals(), Alignment.POOLED, steps=9, padded=True)


@pytest.mark.parametrize(("kernel", "layers"), [(1, 1), (3, 3), (5, 2)])
def test_equals_sums_over_neighbours_of_each_sequence_by_itself(kernel, layers):
    torch.manual_seed(0)
    core = Conv1d(kernel, layers).build(4, SIGNATURE).double()
    x = torch.randn(3, 9, 4, dtype=torch.float64, requires_grad=True)
    lengths = torch.tensor([9, 5, 1])
    mask = torch.arange(9) < lengths.unsqueeze(1)
    actual = core(x, mask)[mask]
    expected = torch.cat(
        [written_out(core, sequence[:n]) for sequence, n in zip(x, lengths, strict=True)]
    )
    torch.testing.assert_close(actual, expected)
    wanted = (x, *core.parameters())
    torch.testing.assert_close(
        torch.autograd.grad(actual.square().sum(), wanted),
        torch.autograd.grad(expected.square().sum(), wanted),
    )


def written_out(core: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """`(T, D) -> (T, D)`, one neighbour at a time."""
    T = len(x)
    for layer in core.layers:
        half = layer.weight.shape[2] // 2
        steps = []
        for t in range(T):
            near = [i for i in range(-half, half + 1) if 0 <= t + i < T]
            steps.append(layer.bias + sum(layer.weight[:, :, half + i] @ x[t + i] for i in near))
        x = torch.stack(steps).relu()
    return x


def test_sees_as_far_as_it_says_to_either_side():
    torch.manual_seed(0)
    core = Conv1d(kernel=5, layers=2).build(32, SIGNATURE)
    x = torch.randn(1, 15, 32, requires_grad=True)
    (gradient,) = torch.autograd.grad(core(x)[:, 7].sum(), x)
    assert gradient.abs().sum(2).flatten().nonzero().flatten().tolist() == list(range(3, 12))


def test_impossible_fields_are_refused():
    with pytest.raises(UserError, match="odd"):
        Conv1d(kernel=4)
    with pytest.raises(UserError, match="at least 1"):
        Conv1d(layers=0)
