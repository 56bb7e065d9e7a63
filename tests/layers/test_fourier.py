import pytest
import torch

from lagbench.layers.fourier import convolve


@pytest.mark.parametrize("T", [1, 2, 5, 8])
def test_is_the_sum_over_all_earlier_steps(T):
    x, kernel = (torch.randn(shape, dtype=torch.float64) for shape in ((2, T, 3), (3, T)))
    for value in (x, kernel):
        value.requires_grad_()
    expected = torch.stack(
        [sum(kernel[:, t - s] * x[:, s] for s in range(t + 1)) for t in range(T)], dim=1
    )
    actual = convolve(x, kernel)
    torch.testing.assert_close(actual, expected)
    torch.testing.assert_close(
        torch.autograd.grad(actual.pow(3).sum(), (x, kernel)),
        torch.autograd.grad(expected.pow(3).sum(), (x, kernel)),
    )
