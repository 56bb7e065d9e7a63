import pytest
import torch
from torch import nn

from lagbench.architectures.cnn_lstm import CNNLSTM
from lagbench.contract import Alignment, Frames, Signature, Tokens, UserError


def build(layers: int, frames: Frames):
    torch.manual_seed(0)
    signature = Signature(frames, Tokens(2), Alignment.POOLED, steps=5)
    return CNNLSTM(layers).build(6, signature).double()


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_equals_torchs_convolutions_of_each_frame_and_its_lstm(layers):
    core = build(layers, Frames(3, 5, 8))
    convolutions = [m for m in core.look if isinstance(m, nn.Conv2d)]
    assert len(convolutions) == layers
    reference = nn.LSTM(core.project.in_features, 6, batch_first=True).double()
    copied = (core.project.weight, core.recur, core.project.bias, torch.zeros(24))
    for own, value in zip(reference.parameters(), copied, strict=True):
        own.data.copy_(value)
    frames = torch.randn(2, 5, 3, 5, 8, dtype=torch.float64, requires_grad=True)
    features = []
    for image in frames.unbind(1):
        for convolution in convolutions:
            image = nn.functional.conv2d(
                image, convolution.weight, convolution.bias, stride=2, padding=1
            ).relu()
        features.append(image.flatten(1))
    expected, (hidden, cell) = reference(torch.stack(features, dim=1))
    actual, state = core.extend(frames)
    torch.testing.assert_close((actual, *state), (expected, hidden[0], cell[0]))
    seen = [parameter for m in convolutions for parameter in m.parameters()]
    own = (frames, *seen, core.project.weight, core.recur, core.project.bias)
    other = (frames, *seen, *list(reference.parameters())[:3])
    torch.testing.assert_close(
        torch.autograd.grad(actual.square().sum(), own),
        torch.autograd.grad(expected.square().sum(), other),
    )


def test_the_forget_gate_begins_open():
    _, forget, _, _ = build(2, Frames(1, 8, 8)).project.bias.chunk(4)
    torch.testing.assert_close(forget, torch.ones_like(forget))


def test_an_empty_stack_is_refused():
    with pytest.raises(UserError, match="at least 1"):
        CNNLSTM(0)
