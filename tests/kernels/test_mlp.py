"""The residual MLP against its equations written out, compiled and not."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from lagbench.kernels import mlp as module
from lagbench.kernels.library import library
from lagbench.kernels.mlp import MAX_WIDTH
from lagbench.layers.block import FeedForward

SHAPES = [  # steps, width and hidden width: whole blocks of steps and not, rows of vectors and not
    ((1,), 1, 1),
    ((5,), 3, 7),
    ((64,), 20, 80),
    ((4, 25), 32, 128),
    ((3, 11), 17, 5),
    ((2, 3, 16), 16, 48),
]
compiled = pytest.mark.skipif(library() is None, reason="there is no C++ compiler here")


def wild(width: int, hidden: int) -> FeedForward:
    layer = FeedForward(width, hidden)
    for parameter in layer.parameters():
        nn.init.normal_(parameter)
    return layer


def written_out(layer: FeedForward, x: Tensor) -> Tensor:
    norm, fc1, fc2 = layer.norm, layer.fc1, layer.fc2
    far = x - x.mean(-1, keepdim=True)
    normed = far / (far.square().mean(-1, keepdim=True) + norm.eps).sqrt() * norm.weight + norm.bias
    hidden = normed @ fc1.weight.mT + fc1.bias
    hidden = hidden * torch.special.ndtr(hidden)
    return x + hidden @ fc2.weight.mT + fc2.bias


def gradients(layer: FeedForward, forward: Callable[[Tensor], Tensor], x: Tensor) -> list[Tensor]:
    """The result and every gradient of some sum of it."""
    x = x.clone().requires_grad_()
    result = forward(x)
    weights = torch.linspace(-1, 2, result.numel(), dtype=x.dtype).view(result.shape).sin()
    return [result, *torch.autograd.grad((result * weights).sum(), [x, *layer.parameters()])]


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize(("steps", "width", "hidden"), SHAPES)
def test_result_and_gradients(steps: tuple[int, ...], width: int, hidden: int) -> None:
    layer, x = wild(width, hidden).double(), torch.randn(*steps, width, dtype=torch.float64)
    expected = gradients(layer, lambda x: written_out(layer, x), x)
    actual = gradients(layer, layer, x)
    torch.testing.assert_close(actual, expected)
    moved = torch.randn(width, *steps, dtype=torch.float64).movedim(0, -1)  # not dense
    torch.testing.assert_close(layer(moved), written_out(layer, moved))


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize(("steps", "width", "hidden"), SHAPES[1:])
def test_single_precision(steps: tuple[int, ...], width: int, hidden: int) -> None:
    layer, x = wild(width, hidden), 3 * torch.randn(*steps, width)
    actual = gradients(layer, layer, x)
    layer.double()
    expected = gradients(layer, layer, x.double())
    for first, other in zip(actual, expected, strict=True):
        scale = other.abs().max().item()
        torch.testing.assert_close(first.double(), other, rtol=1e-5, atol=2e-6 * scale)


@pytest.mark.usefixtures("kernels")
def test_the_gelu_is_right_far_out_and_at_zero() -> None:
    """The norm's scale is 0, so that its shift alone goes in."""
    layer = FeedForward(1, 1)
    values = torch.cat([torch.linspace(-30, 30, 301), torch.tensor([-1e30, 1e-30, 1e18])])
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.fill_(0.0)
        layer.fc1.weight.fill_(1.0), layer.fc2.weight.fill_(1.0)
        for value in values:
            layer.norm.bias.fill_(value)
            actual = layer(torch.zeros(1, 1)).item()
            exact = value.double() * torch.special.ndtr(value.double())
            assert actual == pytest.approx(exact.item(), rel=1e-6, abs=3e-7)


@compiled
def test_the_kernel_can_be_trusted_by_differences() -> None:
    given = [
        torch.randn(shape, dtype=torch.float64, requires_grad=True)
        for shape in [(7, 5), (5,), (5,), (9, 5), (9,), (5, 9), (5,)]
    ]
    assert torch.autograd.gradcheck(lambda *given: module._mlp(*given), given)


@compiled
@pytest.mark.parametrize("dim", [0, 1])
def test_replicas_are_those_alone(dim: int) -> None:
    layers = [wild(6, 10).double() for _ in range(3)]
    stacked = {
        name: torch.stack([dict(layer.named_parameters())[name] for layer in layers])
        for name, _ in layers[0].named_parameters()
    }
    x = torch.randn(3, 40, 6, dtype=torch.float64)
    actual = vmap(lambda weights, x: functional_call(layers[0], weights, (x,)), (0, dim))(
        stacked, x.movedim(0, dim)
    )
    expected = torch.stack(
        [written_out(layer, first) for layer, first in zip(layers, x, strict=True)]
    )
    torch.testing.assert_close(actual, expected)
    leaves = list(stacked.values())
    for leaf in leaves:
        leaf.requires_grad_()
    actual = vmap(lambda weights, x: functional_call(layers[0], weights, (x,)))(stacked, x)
    together = torch.autograd.grad(actual.square().sum(), leaves)
    for number, (layer, first) in enumerate(zip(layers, x, strict=True)):
        single = torch.autograd.grad(
            written_out(layer, first).square().sum(), [*layer.parameters()]
        )
        torch.testing.assert_close([value[number] for value in together], list(single))


@pytest.mark.usefixtures("kernels")
def test_a_step_that_is_not_a_number_stays_alone() -> None:
    layer, x = wild(8, 24), torch.randn(40, 8)
    right = layer(x)
    x[3, 5], x[33, 0] = torch.nan, torch.inf
    actual = layer(x)
    assert actual[[3, 33]].isnan().all()
    rest = [step for step in range(40) if step not in (3, 33)]
    torch.testing.assert_close(actual[rest], right[rest])


@compiled
@pytest.mark.parametrize(("width", "compiled_form"), [(MAX_WIDTH, True), (MAX_WIDTH + 1, False)])
def test_narrow_ones_alone_run_compiled(
    width: int, compiled_form: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls, kernel = [], module._mlp

    def counting(*inputs: Tensor) -> Tensor:
        calls.append(inputs)
        result: Tensor = kernel(*inputs)
        return result

    monkeypatch.setattr(module, "_mlp", counting)
    x = torch.randn(3, width)
    layer = wild(width, 8)
    torch.testing.assert_close(layer(x), written_out(layer, x), rtol=1e-4, atol=1e-4)
    assert bool(calls) is compiled_form


@compiled
def test_it_is_not_differentiated_twice() -> None:
    x = torch.randn(2, 4, requires_grad=True)
    with pytest.raises(RuntimeError, match="cannot be differentiated twice"):
        torch.autograd.grad(wild(4, 8)(x).sum(), x, create_graph=True)


@pytest.mark.usefixtures("kernels")
def test_no_steps_are_no_steps() -> None:
    layer = wild(4, 8).double()
    result, to_x, *rest = gradients(layer, layer, torch.zeros(0, 4, dtype=torch.float64))
    assert result.shape == to_x.shape == (0, 4)
    assert all((value == 0).all() for value in rest)
