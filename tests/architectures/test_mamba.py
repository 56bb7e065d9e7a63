import torch

from lagbench.architectures.mamba import Mamba, MambaMixer
from lagbench.contract import Alignment, Signature, Tokens
from tests.architectures.written_out import assert_equals_loop


def silu(x):
    return x / (1 + torch.exp(-x))


def test_equals_its_equations_step_by_step():
    mixer = MambaMixer(width=4, state=3, expansion=2, kernel=4).double()

    def loop(x):
        u, gate = (x @ mixer.enter.weight.mT).split(8, dim=-1)
        taps, bias = mixer.convolution.convolution.weight[:, 0], mixer.convolution.convolution.bias
        W_low, W_B, W_C = mixer.select.weight.split((1, 3, 3))
        A, outputs = -mixer.log_A.exp(), []
        h = torch.zeros(len(x), 8, 3, dtype=x.dtype)
        for t in range(x.shape[1]):
            past = range(max(0, t - 3), t + 1)
            u_t = silu(bias + sum(taps[:, 3 - (t - s)] * u[:, s] for s in past))
            low = u_t @ W_low.mT
            delta = torch.log(1 + torch.exp(low @ mixer.step.weight.mT + mixer.step.bias))
            B, C = u_t @ W_B.mT, u_t @ W_C.mT
            h = torch.exp(delta[..., None] * A) * h
            h = h + torch.einsum("be,bn->ben", delta * u_t, B)
            y = torch.einsum("ben,bn->be", h, C) + mixer.D * u_t
            outputs.append((y * silu(gate[:, t])) @ mixer.leave.weight.mT)
        return torch.stack(outputs, 1)

    assert_equals_loop(mixer, loop, width=4)


def test_begins_as_in_the_paper():
    torch.manual_seed(0)
    mixer = MambaMixer(width=64, state=5, expansion=2, kernel=4)
    assert torch.allclose(-mixer.log_A.exp()[3], -torch.arange(1.0, 6.0))
    steps = torch.nn.functional.softplus(mixer.step.bias)
    assert steps.min() >= 0.001 - 1e-6
    assert steps.max() <= 0.1 + 1e-6
    assert 0.005 < steps.median() < 0.02  # log-uniform: 0.01


def test_its_blocks_have_no_further_mlp():
    core = Mamba().build(4, Signature(Tokens(2), Tokens(2), Alignment.POOLED, 5))
    assert [block.feedforward for block in core.blocks] == [None, None]
