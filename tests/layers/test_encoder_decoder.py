"""Reading a padded source, against torch's cells over the real steps of each example."""

import pytest
import torch

from lagbench.layers.encoder_decoder import CELLS, CellName, read, shares

B, T, N, H = 3, 6, 4, 5
LENGTHS = [6, 3, 1]
MASK = torch.arange(T) < torch.tensor(LENGTHS)[:, None]


@pytest.mark.parametrize("name", CELLS)
def test_a_source_is_read_to_its_last_real_step(name: CellName, torch_run) -> None:
    encoder = CELLS[name](N, H).double()
    for parameter in encoder.parameters():
        parameter.data.add_(torch.randn_like(parameter), alpha=0.3)
    x = torch.randn(B, T, N, dtype=torch.float64, requires_grad=True)
    hidden, states = read(encoder, x, MASK)
    rows = [torch_run(encoder, x[row : row + 1, :steps], None) for row, steps in enumerate(LENGTHS)]
    actual = [hidden[MASK], *states]
    expected = [torch.cat([outputs[0] for outputs, _ in rows])]
    expected += [torch.cat(parts) for parts in zip(*(after for _, after in rows), strict=True)]
    torch.testing.assert_close(actual, expected)
    leaves = [x, *encoder.parameters()]
    torch.testing.assert_close(
        torch.autograd.grad([part.square().sum() for part in actual], leaves),
        torch.autograd.grad([part.square().sum() for part in expected], leaves),
    )
    full = [torch.ones_like(MASK), None]
    torch.testing.assert_close(*(read(encoder, x, mask) for mask in full))


def test_shares_are_a_softmax_over_real_steps() -> None:
    scores = torch.randn(B, 2, T, dtype=torch.float64)
    actual = shares(scores, MASK)
    for row, steps in enumerate(LENGTHS):
        torch.testing.assert_close(actual[row, :, :steps], scores[row, :, :steps].softmax(-1))
        assert (actual[row, :, steps:] == 0).all()
