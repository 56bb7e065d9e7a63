import math

import pytest
import torch
from torch.nn import functional as F

from lagbench.architectures.s4d import S4D, S4DMixer
from lagbench.contract import UserError
from tests.architectures.written_out import assert_equals_loop


def state_spaces(mixer):
    """`A`, `B̄`, `Ā`, `C` of every channel, with all conjugates, by matrix exponentials.

    Zero-order hold holds the input for a time Δ: exp([[A, B], [0, 0]] Δ) has Ā and B̄ on top.
    """
    A = torch.complex(-mixer.log_decay.exp(), mixer.frequency)
    C = torch.view_as_complex(mixer.C)
    for d, step in enumerate(mixer.log_step.exp()):
        diagonal, N = torch.cat([A[d], A[d].conj()]), 2 * A.shape[1]
        upper = torch.cat([torch.diag(diagonal), torch.ones(N, 1).to(diagonal)], 1)
        held = torch.matrix_exp(torch.cat([upper, torch.zeros(1, N + 1).to(upper)]) * step)
        yield held[:N, :N], held[:N, N], torch.cat([C[d], C[d].conj()])


def simulated(mixer, x):
    """The state spaces one step at a time, before the channels are mixed."""
    channels = []
    for d, (A, B, C) in enumerate(state_spaces(mixer)):
        h, outputs = torch.zeros(x.shape[0], len(A)).to(A), []
        for x_t in x[..., d].unbind(1):
            h = h @ A.mT + x_t[:, None] * B
            outputs.append((h @ C).real + mixer.D[d] * x_t)
        channels.append(torch.stack(outputs, 1))
    return torch.stack(channels, 2)


def test_equals_the_simulated_state_spaces():
    mixer = S4DMixer(3, 4).double()

    def loop(x):
        value, gate = mixer.mix(F.gelu(simulated(mixer, x))).chunk(2, -1)
        return value * gate.sigmoid()

    assert_equals_loop(mixer, loop, width=3)


@pytest.mark.parametrize("T", [1, 2, 3, 16, 17])
def test_the_kernel_is_the_answer_to_an_impulse(T):
    mixer = S4DMixer(3, 4).double()
    impulse = F.pad(torch.ones(1, 1, 3, dtype=torch.float64), (0, 0, 0, T - 1))
    answer = simulated(mixer, impulse) - mixer.D * impulse
    torch.testing.assert_close(mixer.kernel(T), answer[0].mT)


def test_begins_as_s4d_lin():
    torch.manual_seed(0)
    mixer = S4DMixer(2000, 6)
    assert torch.allclose(mixer.log_decay.exp(), torch.tensor(0.5))
    assert torch.allclose(mixer.frequency[7], math.pi * torch.arange(3.0))
    steps = mixer.log_step.sort().values
    assert torch.allclose(steps, torch.linspace(math.log(0.001), math.log(0.1), 2000), atol=0.3)


def test_odd_states_are_refused():
    with pytest.raises(UserError, match="even"):
        S4D(state=5)
