import pytest
import torch

from lagbench.architectures.elmo import Elmo
from lagbench.contract import Alignment, Signature, Tokens
from tests.architectures.torch_recurrent import assert_same, doubled, torch_run

SIGNATURE = Signature(Tokens(4), Tokens(4), Alignment.POOLED, steps=8, padded=True)
LENGTHS = torch.tensor([4, 7, 1])
MASK = torch.arange(7) < LENGTHS[:, None]


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_equals_two_stacks_of_torch(layers: int) -> None:
    torch.manual_seed(0)
    x = torch.randn(3, 7, 6, dtype=torch.float64, requires_grad=True)
    mixer = doubled(Elmo(layers).build(6, SIGNATURE))
    weights = mixer.weights.exp()
    expected = weights[0] * x
    for level in range(1, layers + 1):
        ahead, _ = torch_run(mixer.ahead[:level], x, LENGTHS)
        back = torch.zeros_like(ahead)
        for row, length in enumerate(LENGTHS.tolist()):
            turned, _ = torch_run(mixer.back[:level], x[row : row + 1, :length].flip(1))
            back[row, :length] = turned[0].flip(0)
        expected = expected + weights[level] * torch.cat([ahead, back], dim=-1)
    expected = mixer.scale * expected / weights.sum()
    real = MASK[..., None]
    assert_same(mixer(x, MASK) * real, expected * real, [x, *mixer.parameters()])


def test_directions_never_see_each_other() -> None:
    torch.manual_seed(0)
    mixer = Elmo(3).build(6, SIGNATURE)
    mixer.weights.data[0] = -torch.inf  # without the inputs themselves
    x = torch.randn(2, 7, 6)
    changed = x.clone()
    changed[:, 3] += 1
    ahead, back = (mixer(changed) - mixer(x)).abs().amax(0).chunk(2, dim=-1)
    assert (ahead[:3] == 0).all()
    assert (ahead[3:] > 0).all()
    assert (back[:4] > 0).all()
    assert (back[4:] == 0).all()


def test_it_begins_as_the_mean_of_its_levels() -> None:
    torch.manual_seed(0)
    mixer = Elmo(1).build(4, SIGNATURE)
    x = torch.randn(2, 5, 4)
    states = torch.cat([mixer.ahead[0](x), mixer.back[0](x.flip(1)).flip(1)], dim=-1)
    torch.testing.assert_close(mixer(x), (x + states) / 2)
