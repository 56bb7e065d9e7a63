import math

import pytest
import torch

from lagbench.architectures.lru import LRU, LRUMixer
from lagbench.contract import UserError
from tests.architectures.written_out import assert_equals_loop


def test_equals_its_complex_recurrence():
    mixer = LRUMixer(4, 3, 0.5, 0.9, math.tau).double()

    def loop(x):
        eigenvalues = torch.exp(torch.complex(-mixer.nu.exp(), mixer.theta.exp()))
        B = torch.complex(mixer.B[0::2], mixer.B[1::2])
        C = torch.complex(mixer.C[:, 0::2], -mixer.C[:, 1::2])  # Re(C h) = Re C Re h − Im C Im h
        h, outputs = torch.zeros(3, dtype=torch.complex128), []
        for x_t in x.unbind(1):
            h = eigenvalues * h + mixer.gamma.exp() * (x_t.to(B) @ B.mT)
            outputs.append((h @ C.mT).real + mixer.D * x_t)
        return torch.stack(outputs, 1)

    assert_equals_loop(mixer, loop, width=4)


def test_begins_uniform_on_the_ring_and_normalised():
    torch.manual_seed(0)
    mixer = LRUMixer(2, 4000, 0.6, 0.8, 0.5)
    radii = (-mixer.nu.exp()).exp()
    assert radii.min() >= 0.6 - 1e-6
    assert radii.max() <= 0.8 + 1e-6
    area = (radii.square() - 0.36) / 0.28  # of the ring inside a radius: uniform on 0 … 1
    assert torch.allclose(area.sort().values, torch.linspace(0, 1, 4000), atol=0.05)
    angles = mixer.theta.exp() / 0.5
    assert torch.allclose(angles.sort().values, torch.linspace(0, 1, 4000), atol=0.05)
    torch.testing.assert_close(mixer.gamma.exp().square(), 1 - radii.square())


def test_states_are_as_large_as_inputs_over_long_times():
    torch.manual_seed(0)
    mixer = LRUMixer(64, 256, 0.9, 0.99, math.tau)
    with torch.no_grad():
        _, h = mixer.extend(torch.randn(8, 1000, 64))
    assert h.abs().square().mean().item() == pytest.approx(1, rel=0.1)


def test_impossible_fields_are_refused():
    for fields in ({"r_min": 0.99, "r_max": 0.9}, {"r_max": 1.0}, {"r_min": 0.0}):
        with pytest.raises(UserError, match="between 0 and 1"):
            LRU(**fields)
    with pytest.raises(UserError, match="phase"):
        LRU(phase=7.0)
    with pytest.raises(UserError, match="state must be at least 1"):
        LRU(state=0)
