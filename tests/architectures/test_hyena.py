import pytest
import torch

from lagbench.architectures.hyena import Filters, Hyena, HyenaMixer
from lagbench.contract import UserError
from tests.architectures.written_out import assert_equals_loop


@pytest.mark.parametrize("order", [1, 2, 3])
def test_equals_its_sums_written_out(order):
    mixer = HyenaMixer(3, order, reach=32).double()

    def loop(x):
        T = x.shape[1]
        taps = mixer.convolution.convolution.weight[:, 0].flip(1).unbind(1)
        u = torch.nn.functional.pad(mixer.project(x), (0, 0, 2, 0))
        u = mixer.convolution.convolution.bias + sum(
            tap * u[:, 2 - i : 2 - i + T] for i, tap in enumerate(taps)
        )
        z, *gates = u.split(3, dim=-1)
        lags = torch.arange(T)[:, None] - torch.arange(T)
        for gate, h, skip in zip(gates, mixer.filters(T), mixer.skip, strict=True):
            toeplitz = torch.where(lags >= 0, h[:, lags.clamp(min=0)], 0)  # (D, T, T)
            z = gate * (torch.einsum("dts,bsd->btd", toeplitz, z) + skip * z)
        return mixer.merge(z)

    assert_equals_loop(mixer, loop, width=3)


def test_a_filter_does_not_change_with_the_length():
    filters = Filters(5, 2, reach=100)
    torch.testing.assert_close(filters(300)[..., :70], filters(70))


def test_windows_decay_over_one_to_reach_steps():
    filters = Filters(4, 1, reach=1000)
    torch.testing.assert_close(1 / filters.log_decay.exp()[0], torch.tensor([1.0, 10, 100, 1000]))
    values = filters(20_000)
    assert values[0, 0, 40:].abs().max() < 1e-12
    assert values[0, 3, 1000:2000].abs().max() > 10 * values[0, 3, 10_000:].abs().max()


def test_a_reach_of_one_step_is_refused():
    with pytest.raises(UserError, match="reach must be at least 2"):
        Hyena(reach=1)
