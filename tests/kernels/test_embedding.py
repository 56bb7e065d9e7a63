"""`kernels.embedding` against `torch.nn.functional.embedding`, by itself and under `vmap`."""

import pytest
import torch
from torch import Tensor
from torch.func import vmap
from torch.nn import functional as F

from lagbench.kernels.embedding import embedding
from lagbench.kernels.library import without_kernels

R, V = 3, 7


def random_indices(*shape: int) -> Tensor:
    return torch.randint(V - 1, shape)  # the last row is never read


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("width", [1, 16, 37])
@pytest.mark.parametrize("shape", [(5,), (4, 9), (0, 3)])
def test_rows_and_their_gradients(shape: tuple[int, ...], width: int, dtype: torch.dtype) -> None:
    table = torch.randn(V, width, dtype=dtype, requires_grad=True)
    indices, weights = random_indices(*shape), torch.randn(*shape, width, dtype=dtype)
    actual, expected = embedding(indices, table), F.embedding(indices, table)
    assert torch.equal(actual, expected)
    (gradient,) = torch.autograd.grad((actual * weights).sum(), table)
    assert not gradient[-1].any()
    torch.testing.assert_close(gradient, *torch.autograd.grad((expected * weights).sum(), table))


@pytest.mark.parametrize("table_dim", [0, 1, None])
@pytest.mark.parametrize("indices_dim", [0, 2, None])
def test_replicas_equal_single_calls(table_dim: int | None, indices_dim: int | None) -> None:
    if table_dim is None and indices_dim is None:
        pytest.skip("nothing is mapped over")
    table = torch.randn(R, V, 5, dtype=torch.float64)
    indices = random_indices(R, 4, 9)
    mapped_table = table[0] if table_dim is None else table.movedim(0, table_dim)
    mapped_indices = indices[0] if indices_dim is None else indices.movedim(0, indices_dim)
    mapped = vmap(lambda i, t: embedding(i.mT, t), (indices_dim, table_dim))
    leaf = mapped_table.clone().requires_grad_()
    actual = mapped(mapped_indices, leaf)
    (gradient,) = torch.autograd.grad(actual.square().sum(), leaf)
    other = mapped_table.clone().requires_grad_()
    with without_kernels():
        plain = mapped(mapped_indices, other)
    torch.testing.assert_close(actual, plain)
    torch.testing.assert_close(gradient, *torch.autograd.grad(plain.square().sum(), other))


@pytest.mark.parametrize("wrong", [V, -1])
def test_an_index_without_a_row_raises(wrong: int) -> None:
    with pytest.raises(IndexError):
        embedding(torch.tensor([0, wrong]), torch.randn(V, 3))
