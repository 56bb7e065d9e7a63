"""Looking up rows of a table against `torch.nn.functional.embedding`, alone and under vmap."""

import pytest
import torch
from torch.func import vmap
from torch.nn.functional import embedding

from lagbench.kernels.embedding import lookup
from lagbench.kernels.library import without_kernels

R, V = 3, 7


def numbers(*shape):
    return torch.randint(V - 1, shape)  # no place has the last row


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
@pytest.mark.parametrize("width", [1, 16, 37])
@pytest.mark.parametrize("shape", [(5,), (4, 9), (0, 3)])
def test_rows_and_their_gradients(shape, width, kind):
    table = torch.randn(V, width, dtype=kind, requires_grad=True)
    rows, weights = numbers(*shape), torch.randn(*shape, width, dtype=kind)
    found, expected = lookup(table, rows), embedding(rows, table)
    assert torch.equal(found, expected)
    (gradient,) = torch.autograd.grad((found * weights).sum(), table)
    assert not gradient[-1].any()
    torch.testing.assert_close(gradient, *torch.autograd.grad((expected * weights).sum(), table))


@pytest.mark.parametrize("of_table", [0, 1, None])
@pytest.mark.parametrize("of_rows", [0, 2, None])
def test_replicas_are_those_alone(of_table, of_rows):
    if of_table is None and of_rows is None:
        pytest.skip("nothing is mapped over")
    table = torch.randn(R, V, 5, dtype=torch.float64)
    rows = numbers(R, 4, 9)
    mapped_table = table[0] if of_table is None else table.movedim(0, of_table)
    mapped_rows = rows[0] if of_rows is None else rows.movedim(0, of_rows)
    leaf = mapped_table.clone().requires_grad_()
    found = vmap(lambda t, i: lookup(t, i.mT), (of_table, of_rows))(leaf, mapped_rows)
    (gradient,) = torch.autograd.grad(found.square().sum(), leaf)
    other = mapped_table.clone().requires_grad_()
    with without_kernels():
        plain = vmap(lambda t, i: lookup(t, i.mT), (of_table, of_rows))(other, mapped_rows)
    torch.testing.assert_close(found, plain)
    torch.testing.assert_close(gradient, *torch.autograd.grad(plain.square().sum(), other))


@pytest.mark.parametrize("wrong", [V, -1])
def test_there_is_no_such_row(wrong):
    with pytest.raises(IndexError):
        lookup(torch.randn(V, 3), torch.tensor([0, wrong]))
