from dataclasses import dataclass

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from lagbench.contract import Alignment, Mixer, Signature, Tokens, UserError
from lagbench.layers.block import Block, Blocks, MultiHead, Residual


class Running(Mixer):
    """The sum of real steps so far, scaled; a mixer that shows what it is given."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.randn(width))

    def forward(self, x, mask=None):
        return self.scale * (x if mask is None else x * mask[..., None]).cumsum(1)

    def extend(self, x, state=None):
        y = self.scale * x.cumsum(1)
        y = y if state is None else y + state[:, None]
        return y, y[:, -1]


@dataclass(frozen=True)
class Summing(MultiHead):
    size: int = 3

    def mixer(self, width: int) -> Mixer:
        return Running(width)


def written_out(core: Blocks, x, mask=None):
    def norm(layer, x):
        centred = x - x.mean(-1, keepdim=True)
        variance = centred.square().mean(-1, keepdim=True)
        return centred / (variance + layer.eps).sqrt() * layer.weight + layer.bias

    for block in core.blocks:
        x = x + block.mixer(norm(block.norm, x), mask)
        if block.feedforward is not None:
            fc1, fc2 = block.feedforward.fc1, block.feedforward.fc2
            hidden = F.gelu(norm(block.feedforward.norm, x) @ fc1.weight.mT + fc1.bias)
            x = x + hidden @ fc2.weight.mT + fc2.bias
    return norm(core.norm, x)


@pytest.mark.parametrize("expansion", [0, 2])
def test_normalises_before_and_adds_after(expansion):
    core = Blocks(4, [Block(4, Running(4), expansion) for _ in range(3)]).double()
    for parameter in core.parameters():
        nn.init.normal_(parameter)
    x = torch.randn(2, 5, 4, dtype=torch.float64)
    mask = torch.tensor([[True] * 5, [True] * 2 + [False] * 3])
    torch.testing.assert_close(core(x), written_out(core, x))
    torch.testing.assert_close(core(x, mask), written_out(core, x, mask))


def test_the_states_of_the_mixers_pass_through():
    core = Blocks(4, [Block(4, Running(4)) for _ in range(3)])
    x = torch.randn(2, 7, 4)
    first, state = core.extend(x[:, :3])
    assert [tuple(part.shape) for part in state] == [(2, 4)] * 3
    second, _ = core.extend(x[:, 3:], state)
    torch.testing.assert_close(torch.cat([first, second], dim=1), core(x))


def test_an_architecture_has_as_many_blocks_as_it_says():
    signature = Signature(Tokens(2), Tokens(2), Alignment.POOLED, 5)
    core = Summing(layers=3, heads=5).build(10, signature)
    assert len(core.blocks) == 3
    assert core.blocks[0].feedforward.fc1.out_features == 40
    assert Summing(heads=5).width_multiple == 5


@pytest.mark.parametrize("field", ["layers", "heads", "size"])
def test_no_number_of_things_is_below_one(field):
    with pytest.raises(UserError, match=f"{field} must be at least 1, not 0"):
        Summing(**{field: 0})


def test_a_residual_architecture_says_what_mixes():
    with pytest.raises(TypeError, match="mixer"):
        Residual()
