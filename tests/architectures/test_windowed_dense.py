import pytest
import torch
from torch.nn import functional

from lagbench.architectures.windowed_dense import WindowedDense
from lagbench.contract import Alignment, Reals, Signature, UserError

SIGNATURE = Signature(Reals(), Reals(), Alignment.POOLED, steps=10)


@pytest.mark.parametrize("window", [1, 4, 12])
def test_equals_dense_layers_over_windows_written_out(window):
    torch.manual_seed(0)
    core = WindowedDense(window).build(5, SIGNATURE).double()
    x = torch.randn(3, 10, 5, dtype=torch.float64, requires_grad=True)
    convolution = core.inner.convolution
    outputs = []
    for t in range(10):
        steps = [x[:, t - i] if t >= i else torch.zeros_like(x[:, 0]) for i in range(window)]
        window_of_t = torch.stack(steps[::-1], dim=2).flatten(1)  # (B, D · window), oldest first
        hidden = functional.linear(window_of_t, convolution.weight.flatten(1), convolution.bias)
        outputs.append(core.outer(hidden.relu()).relu())
    expected = torch.stack(outputs, dim=1)
    actual = core(x)
    torch.testing.assert_close(actual, expected)
    wanted = (x, *core.parameters())
    torch.testing.assert_close(
        torch.autograd.grad(actual.square().sum(), wanted),
        torch.autograd.grad(expected.square().sum(), wanted),
    )


def test_reads_exactly_the_window():
    torch.manual_seed(0)
    core = WindowedDense(4).build(16, SIGNATURE)
    x = torch.randn(1, 10, 16, requires_grad=True)
    (gradient,) = torch.autograd.grad(core(x)[:, 8].sum(), x)
    assert gradient.abs().sum(2).ne(0).flatten().nonzero().flatten().tolist() == [5, 6, 7, 8]


def test_an_empty_window_is_refused():
    with pytest.raises(UserError, match="at least 1"):
        WindowedDense(0)
