"""The selective scan against its loop: outputs and gradients, chunks of any length, stacked."""

import pytest
import torch
from torch import Tensor
from torch.func import vmap

from lagbench.kernels import selective_scan as module
from lagbench.kernels.selective_scan import selective_scan, selective_scan_loop

B, T, E, N, R = 2, 13, 3, 4, 3


def draw(*lead: int) -> list[Tensor]:
    """Steps, inputs, `A`, `B`, `C` and the first state."""
    shapes = (B, T, E), (B, T, E), (E, N), (B, T, N), (B, T, N), (B, E, N)
    delta, x, A, *others = (torch.randn(*lead, *shape, dtype=torch.float64) for shape in shapes)
    return [value.requires_grad_() for value in (delta.abs(), x, -A.abs(), *others)]


def with_gradients(outputs: tuple[Tensor, Tensor], inputs: list[Tensor]) -> list[Tensor]:
    losses = [
        (y * torch.linspace(-1, 2, y.numel(), dtype=y.dtype).view_as(y)).sum() for y in outputs
    ]
    return [*outputs, *torch.autograd.grad(losses[0] + losses[1], inputs)]


def assert_same(actual: list[Tensor], expected: list[Tensor]) -> None:
    for first, other in zip(actual, expected, strict=True):
        torch.testing.assert_close(first, other, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("steps", [1, 2, 5, 13, 100])
def test_equals_the_loop_for_any_length_of_chunk(
    steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_CACHED", steps * B * E * N)
    inputs = draw()
    assert_same(
        with_gradients(selective_scan(*inputs), inputs),
        with_gradients(selective_scan_loop(*inputs), inputs),
    )


def test_starts_from_zeros() -> None:
    *inputs, initial = draw()
    actual = selective_scan(*inputs)
    assert_same(list(actual), list(selective_scan_loop(*inputs, torch.zeros_like(initial))))


def test_replicas_under_vmap_are_replicas_alone() -> None:
    inputs = draw(R)
    single = [selective_scan_loop(*(value[r] for value in inputs)) for r in range(R)]
    expected = tuple(torch.stack(values) for values in zip(*single, strict=True))
    assert_same(
        with_gradients(vmap(selective_scan)(*inputs), inputs), with_gradients(expected, inputs)
    )


def test_replicas_may_share_their_inputs() -> None:
    A = draw(R)[2]
    delta, x, _, *others = draw()
    actual = vmap(lambda first: selective_scan(delta, x, first, *others))(A)
    single = [selective_scan_loop(delta, x, first, *others) for first in A]
    expected = tuple(torch.stack(values) for values in zip(*single, strict=True))
    assert_same(with_gradients(actual, [A, x]), with_gradients(expected, [A, x]))
