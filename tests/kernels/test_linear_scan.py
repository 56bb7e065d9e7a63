"""The scan against the loop: outputs and gradients, real and complex, alone and stacked."""

import pytest
import torch
from torch import Tensor
from torch.func import vmap

from lagbench.kernels.linear_scan import linear_scan, linear_scan_loop

B, R = 3, 4
REAL, COMPLEX = torch.float64, torch.complex128


def normal(*shape: int, dtype: torch.dtype = REAL) -> Tensor:
    return torch.randn(*shape, dtype=dtype).requires_grad_()


def gates(*shape: int, dtype: torch.dtype = REAL) -> Tensor:
    """Numbers of a size below 1, of any direction where they are complex."""
    sizes, angles = torch.rand(*shape, dtype=REAL), torch.randn(*shape, dtype=REAL)
    return (torch.polar(sizes, angles) if dtype.is_complex else sizes).requires_grad_()


def with_gradients(states: Tensor, *inputs: Tensor) -> list[Tensor]:
    weights = torch.linspace(-1, 1, states.numel(), dtype=REAL).view_as(states)
    loss = ((states - 0.5).abs().square() * weights).sum()
    return [states.detach(), *torch.autograd.grad(loss, inputs)]


def assert_same(actual: list[Tensor], expected: list[Tensor]) -> None:
    for first, other in zip(actual, expected, strict=True):
        torch.testing.assert_close(first, other, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", [REAL, COMPLEX], ids=["real", "complex"])
@pytest.mark.parametrize("width", [5, 2100], ids=["in chunks", "one chunk"])
@pytest.mark.parametrize("T", [1, 2, 3, 16, 17, 30])
def test_equals_the_loop(T: int, width: int, dtype: torch.dtype) -> None:
    inputs = gates(B, T, width, dtype=dtype), normal(B, T, width, dtype=dtype)
    assert_same(
        with_gradients(linear_scan(*inputs), *inputs),
        with_gradients(linear_scan_loop(*inputs), *inputs),
    )


@pytest.mark.parametrize("dtype", [REAL, COMPLEX], ids=["real", "complex"])
@pytest.mark.parametrize("shape", [(1, 19, 5), (B, 1, 5), (1, 1, 5), (B, 19, 5)])
def test_goes_on_from_a_state_with_gates_shared_or_constant(
    shape: tuple[int, ...], dtype: torch.dtype
) -> None:
    inputs = gates(*shape, dtype=dtype), normal(B, 19, 5, dtype=dtype), normal(B, 5, dtype=dtype)
    assert_same(
        with_gradients(linear_scan(*inputs), *inputs),
        with_gradients(linear_scan_loop(*inputs), *inputs),
    )


def test_states_may_have_several_dimensions() -> None:
    inputs = gates(B, 11, 2, 3), normal(B, 11, 2, 3), normal(B, 2, 3)
    assert_same(
        with_gradients(linear_scan(*inputs), *inputs),
        with_gradients(linear_scan_loop(*inputs), *inputs),
    )


@pytest.mark.parametrize("dtype", [REAL, COMPLEX], ids=["real", "complex"])
@pytest.mark.parametrize("constant", [False, True])
def test_replicas_under_vmap_are_replicas_alone(constant: bool, dtype: torch.dtype) -> None:
    a = gates(R, *((1, 1) if constant else (B, 19)), 5, dtype=dtype)
    b, initial = normal(B, R, 19, 5, dtype=dtype), normal(B, 5, dtype=dtype)
    actual = vmap(linear_scan, (0, 1, None))(a, b, initial)
    separate = torch.stack([linear_scan_loop(a[r], b[:, r], initial) for r in range(R)])
    assert_same(with_gradients(actual, a, b, initial), with_gradients(separate, a, b, initial))


def test_single_precision_holds_over_4096_steps_with_open_gates() -> None:
    torch.manual_seed(0)
    a = 1 - 1e-3 * torch.rand(2, 4096, 4)
    b = torch.randn(2, 4096, 4)
    single, double = ([x.to(kind).requires_grad_() for x in (a, b)] for kind in (a.dtype, REAL))
    actual = with_gradients(linear_scan(*single), *single)
    for first, other in zip(
        actual, with_gradients(linear_scan_loop(*double), *double), strict=True
    ):
        assert (first - other).norm() <= 1e-5 * other.norm()


def test_differentiating_twice_raises() -> None:
    inputs = gates(B, 7, 5), normal(B, 7, 5)
    total = linear_scan(*inputs).square().sum()
    with pytest.raises(RuntimeError, match="cannot be differentiated twice"):
        torch.autograd.grad(total, inputs[:1], create_graph=True)
