import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from lagbench.architectures.conv_lstm import ConvLSTM
from lagbench.contract import Alignment, Frames, Signature, Tokens, UserError


def build(width: int, frames: Frames, **fields):
    torch.manual_seed(0)
    signature = Signature(frames, Tokens(2), Alignment.POOLED, steps=5)
    core = ConvLSTM(**fields).build(width, signature).double()
    for parameter in core.parameters():
        nn.init.normal_(parameter, std=0.5)
    return core


@pytest.mark.parametrize("kernel", [1, 3, 5])
@pytest.mark.parametrize("peephole", [False, True])
def test_equals_the_papers_equations_written_out(kernel, peephole):
    core = build(7, Frames(3, 4, 5), kernel=kernel, peephole=peephole)  # F = 2
    frames = torch.randn(2, 5, 3, 4, 5, dtype=torch.float64, requires_grad=True)
    x_weights, h_weights = core.gates.weight.split([3, 2], dim=1)
    W_xi, W_xf, W_xc, W_xo = x_weights.chunk(4)
    W_hi, W_hf, W_hc, W_ho = h_weights.chunk(4)
    b_i, b_f, b_c, b_o = core.gates.bias.view(4, -1, 1, 1)
    W_ci, W_cf, W_co = core.peephole if peephole else (0, 0, 0)

    def convolved(weight: Tensor, image: Tensor) -> Tensor:
        return functional.conv2d(image, weight, padding="same")

    H = C = torch.zeros(2, 2, 4, 5, dtype=torch.float64)
    outputs = []
    for X in frames.unbind(1):
        i = torch.sigmoid(convolved(W_xi, X) + convolved(W_hi, H) + W_ci * C + b_i)
        f = torch.sigmoid(convolved(W_xf, X) + convolved(W_hf, H) + W_cf * C + b_f)
        C = f * C + i * torch.tanh(convolved(W_xc, X) + convolved(W_hc, H) + b_c)
        o = torch.sigmoid(convolved(W_xo, X) + convolved(W_ho, H) + W_co * C + b_o)
        H = o * torch.tanh(C)
        outputs.append(core.outer(H.flatten(1)))
    expected = torch.stack(outputs, dim=1)
    actual, (hidden, cell) = core.extend(frames)
    torch.testing.assert_close((actual, hidden, cell), (expected, H, C))
    wanted = (frames, *core.parameters())
    torch.testing.assert_close(
        torch.autograd.grad(actual.square().sum(), wanted),
        torch.autograd.grad(expected.square().sum(), wanted),
    )


def test_on_frames_of_one_pixel_it_is_torchs_lstm():
    core = build(8, Frames(3, 1, 1), kernel=1)  # F = 2
    reference = nn.LSTM(3, 2, batch_first=True).double()
    x_weight, h_weight = core.gates.weight.flatten(1).split([3, 2], dim=1)
    copied = (x_weight, h_weight, core.gates.bias, torch.zeros(8))
    for own, value in zip(reference.parameters(), copied, strict=True):
        own.data.copy_(value)
    frames = torch.randn(2, 5, 3, 1, 1, dtype=torch.float64)
    hidden, _ = reference(frames.flatten(2))
    torch.testing.assert_close(core(frames), core.outer(hidden))


def test_the_forget_gate_begins_open():
    torch.manual_seed(0)
    signature = Signature(Frames(1, 4, 4), Tokens(2), Alignment.POOLED, steps=5)
    _, forget, _, _ = ConvLSTM().build(8, signature).gates.bias.chunk(4)
    torch.testing.assert_close(forget, torch.ones(2))


def test_an_even_kernel_is_refused():
    with pytest.raises(UserError, match="odd"):
        ConvLSTM(kernel=4)
