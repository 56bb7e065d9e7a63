"""The linear recurrence against its equation."""

import pytest
import torch

from lagbench.architectures.linear_rnn import LinearMixer, LinearRNN
from lagbench.contract import UserError
from tests.architectures.written_out import assert_equals_loop


def test_equals_its_recurrence():
    mixer = LinearMixer(3, 0.9).double()

    def loop(x):
        h, outputs = torch.zeros(3, dtype=torch.float64), []
        for x_t in x.unbind(1):
            h = mixer.recur * h + x_t @ mixer.read.weight.mT + mixer.read.bias
            outputs.append(h)
        return torch.stack(outputs, 1)

    assert_equals_loop(mixer, loop, width=3)


@pytest.mark.parametrize("scale", [0.8, 1.0, 1.2])
def test_gradients_grow_and_shrink_as_powers_of_the_scale(scale):
    mixer = LinearMixer(2, scale).double()
    x = torch.randn(1, 20, 2, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(mixer(x)[:, -1].sum(), x)
    norms = gradient[0].norm(dim=1)
    lags = torch.arange(19, -1, -1, dtype=torch.float64)
    torch.testing.assert_close(norms / norms[-1], scale**lags, rtol=1e-5, atol=0)


@pytest.mark.parametrize("scale", [0.0, -1.0, float("inf"), float("nan")])
def test_impossible_scales_are_refused(scale):
    with pytest.raises(UserError, match="positive"):
        LinearRNN(scale)
