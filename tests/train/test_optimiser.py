"""`ReplicaAdamW` against torch's AdamW, and what becomes of a replica that diverges."""

from collections.abc import Iterator
from contextlib import nullcontext

import pytest
import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from lagbench.kernels.library import without_kernels
from lagbench.train.optimiser import ReplicaAdamW

SIZE = 37  # parameters of a row: several vectors, and a part of one


@pytest.fixture(params=[nullcontext, without_kernels], ids=["compiled", "plain"], autouse=True)
def form(request: pytest.FixtureRequest) -> Iterator[None]:
    """Every test, with the kernel where there is one and without."""
    with request.param():
        yield


def trajectory(gradients: Tensor, rate: float, weight_decay: float, clip: float | None) -> Tensor:
    parameter = torch.nn.Parameter(torch.linspace(-1, 1, SIZE, dtype=torch.float64))
    optimiser = torch.optim.AdamW(
        [parameter], lr=rate, betas=(0.8, 0.95), weight_decay=weight_decay
    )
    for gradient in gradients:
        parameter.grad = gradient.clone()
        if clip is not None:
            clip_grad_norm_([parameter], clip)
        optimiser.step()
    return parameter.detach()


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize("clip", [None, 0.7])
def test_each_row_follows_adamw(weight_decay: float, clip: float | None) -> None:
    gradients = torch.randn(20, 3, SIZE, dtype=torch.float64)
    rates = torch.tensor([1e-3, 1e-2, 0.3], dtype=torch.float64)
    flat = torch.linspace(-1, 1, SIZE, dtype=torch.float64).repeat(3, 1).requires_grad_()
    optimiser = ReplicaAdamW(flat, rates, (0.8, 0.95), weight_decay, clip)
    for gradient in gradients:
        flat.grad = gradient.clone()
        optimiser.step()
    expected = [
        trajectory(gradients[:, row], rate, weight_decay, clip)
        for row, rate in enumerate(rates.tolist())
    ]
    torch.testing.assert_close(flat.detach(), torch.stack(expected), rtol=1e-12, atol=1e-12)


def test_clipping_is_counted_by_row() -> None:
    flat = torch.zeros(2, 3, requires_grad=True)
    optimiser = ReplicaAdamW(flat, torch.ones(2), (0.9, 0.999), 0.0, clip=1.0)
    for size in (0.1, 2.0, 3.0):
        flat.grad = torch.tensor([[0.0, 0.5, 0.0], [0.0, 0.0, size]])
        optimiser.step()
    norms, clipped = optimiser.restart_counts()
    torch.testing.assert_close(norms, torch.tensor([1.5, 5.1]))
    assert clipped.tolist() == [0, 2]
    assert [counts.tolist() for counts in optimiser.restart_counts()] == [[0, 0], [0, 0]]


@pytest.mark.parametrize("poison", [float("nan"), float("inf")])
def test_a_diverged_row_stops_and_its_neighbour_does_not_notice(poison: float) -> None:
    def run(poisoned: bool) -> tuple[Tensor, list[bool], Tensor | None]:
        flat = torch.ones(2, 3, requires_grad=True)
        optimiser = ReplicaAdamW(flat, torch.full((2,), 0.1), (0.9, 0.999), 0.1, clip=1.0)
        frozen = None
        for step in range(10):
            flat.grad = torch.full((2, 3), 0.1 * step)
            if poisoned and step == 4:
                frozen = flat.detach()[0].clone()
                flat.grad[0, 1] = poison
            optimiser.step()
        return flat.detach(), optimiser.finite.tolist(), frozen

    healthy, _, _ = run(poisoned=False)
    poisoned, finite, frozen = run(poisoned=True)
    assert finite == [False, True]
    assert torch.equal(poisoned[1], healthy[1])
    assert frozen is not None
    assert torch.equal(poisoned[0], frozen)


def test_some_rows_go_on_as_they_were() -> None:
    gradients = torch.randn(10, 3, 5, dtype=torch.float64)
    rates = torch.tensor([1e-3, 1e-2, 0.3], dtype=torch.float64)
    flat = torch.ones(3, 5, dtype=torch.float64).requires_grad_()
    complete = ReplicaAdamW(flat, rates, (0.8, 0.95), 0.1, clip=0.7)
    for gradient in gradients[:5]:
        flat.grad = gradient.clone()
        complete.step()
    rows = [2, 0]
    own_rows = flat.detach()[rows].clone().requires_grad_()
    some = complete.select(rows, own_rows)
    for gradient in gradients[5:]:
        flat.grad, own_rows.grad = gradient.clone(), gradient[rows].clone()
        complete.step()
        some.step()
    assert torch.equal(own_rows.detach(), flat.detach()[rows])
