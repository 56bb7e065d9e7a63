"""Embedders and heads against the plain products."""

import pytest
import torch

from lagbench.contract import Frames, Reals, Tokens
from lagbench.model.embeddings import embedder, head


def test_symbols_are_looked_up():
    embed = embedder(Tokens(5), 3)
    assert embed.weight.shape == (5, 3)
    assert torch.equal(embed(torch.tensor([[4, 0]])), embed.weight[[4, 0]][None])


def test_values_are_mapped_linearly():
    embed = embedder(Reals(2), 3)
    x = torch.randn(4, 6, 2)
    torch.testing.assert_close(embed(x), x @ embed.weight.T + embed.bias)


def test_frames_are_mapped_linearly_as_one_vector_each():
    embed = embedder(Frames(2, 3, 4), 5)
    x = torch.randn(4, 6, 2, 3, 4)
    expected = torch.einsum("btchw,dchw->btd", x, embed.linear.weight.view(5, 2, 3, 4))
    torch.testing.assert_close(embed(x), expected + embed.linear.bias)


@pytest.mark.parametrize(("space", "size"), [(Tokens(7), 7), (Reals(2), 2)])
def test_heads_give_logits_or_values(space, size):
    assert head(space, 3)(torch.randn(4, 6, 3)).shape == (4, 6, size)
