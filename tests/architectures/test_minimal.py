import pytest
import torch

from lagbench.architectures.minimal import MinGRU, MinGRUMixer, MinLSTM, MinLSTMMixer
from lagbench.contract import Alignment, Signature, Tokens
from tests.architectures.written_out import assert_equals_loop


def test_min_gru_equals_its_equations():
    mixer = MinGRUMixer(4).double()

    def loop(x):
        (W_z, W_h), (b_z, b_h) = mixer.project.weight.chunk(2), mixer.project.bias.chunk(2)
        h, states = torch.zeros(4, dtype=x.dtype), []
        for x_t in x.unbind(1):
            z = 1 / (1 + torch.exp(-(x_t @ W_z.mT + b_z)))
            h = (1 - z) * h + z * (x_t @ W_h.mT + b_h)
            states.append(h)
        return torch.stack(states, 1)

    assert_equals_loop(mixer, loop, width=4)


def test_min_lstm_equals_its_equations():
    mixer = MinLSTMMixer(4).double()

    def loop(x):
        weights, biases = mixer.project.weight.chunk(3), mixer.project.bias.chunk(3)
        h, states = torch.zeros(4, dtype=x.dtype), []
        for x_t in x.unbind(1):
            f, i, candidate = (x_t @ W.mT + b for W, b in zip(weights, biases, strict=True))
            f, i = f.sigmoid(), i.sigmoid()
            h = f / (f + i) * h + i / (f + i) * candidate
            states.append(h)
        return torch.stack(states, 1)

    assert_equals_loop(mixer, loop, width=4)


def test_min_lstm_is_finite_where_both_gates_vanish():
    mixer = MinLSTMMixer(1)
    with torch.no_grad():
        mixer.project.bias[:2] = torch.tensor([-150.0, -151.0])
        mixer.project.weight.zero_()
    mixer(torch.ones(1, 3, 1)).sum().backward()
    assert mixer.project.bias.grad.isfinite().all()


@pytest.mark.parametrize(("architecture", "gates"), [(MinGRU, 2), (MinLSTM, 3)])
def test_blocks_are_around_it(architecture, gates):
    signature = Signature(Tokens(2), Tokens(2), Alignment.POOLED, 5)
    core = architecture(layers=3).build(4, signature)
    assert [block.mixer.project.out_features for block in core.blocks] == [4 * gates] * 3
