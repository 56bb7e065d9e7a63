"""The compiled attention of a block against its modules, which run without it."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from lagbench.kernels import residual_attention as kernel
from lagbench.kernels.attention import AttentionContext
from lagbench.kernels.library import library, without_kernels
from lagbench.kernels.residual_attention import MAX_WIDTH
from lagbench.layers.positions import Positions
from lagbench.layers.transformer import CrossAttention, SelfAttention, self_attention_context

pytestmark = pytest.mark.skipif(library() is None, reason="there is no C++ compiler here")

R, B = 3, 4
# Steps, heads and the size of one: half a block of steps, whole ones, and what is neither.
SHAPES = [(1, 2, 4), (5, 2, 6), (16, 2, 10), (17, 3, 2), (33, 2, 16), (70, 1, 34), (130, 2, 6)]
WHO = ["all", "masked", "causal"]


def random_layer(
    heads: int, size: int, kind: torch.dtype = torch.float64, spread: float = 0.5
) -> nn.Module:
    layer = SelfAttention(heads * size, heads).to(kind)
    for parameter in layer.parameters():
        nn.init.normal_(parameter, std=spread)
    return layer


def steps_of(batch: int, steps: int, width: int) -> Tensor:
    return torch.randn(batch * steps, width, dtype=torch.float64)


def some(*shape: int) -> Tensor:
    """A mask that leaves every query a key."""
    mask = torch.rand(*shape) < 0.5
    mask[..., 0] = True
    return mask


def context_of(
    steps: int, heads: int, size: int, who: str, encoding: str = "rotary"
) -> AttentionContext:
    mask = some(B, steps) if who == "masked" else None
    width = heads * size
    positions = Positions(encoding, width, heads, 0)
    like = torch.zeros(B, steps, width, dtype=torch.float64)
    return self_attention_context(like, positions, who == "causal", mask)


def plainly(layer: nn.Module, x: Tensor, context: AttentionContext) -> Tensor:
    with without_kernels():
        assert not kernel._runs_compiled(x, context)
        return layer(x, context)


def with_gradients(layer: nn.Module, forward: Callable[..., Tensor], x: Tensor) -> list[Tensor]:
    """The result and every gradient of some sum of it."""
    x = x.clone().requires_grad_()
    result = forward(x)
    weights = torch.linspace(-1, 2, result.numel(), dtype=x.dtype).view_as(result).sin()
    return [
        result.detach(),
        *torch.autograd.grad((result * weights).sum(), [x, *layer.parameters()]),
    ]


@pytest.mark.parametrize(("steps", "heads", "size"), SHAPES)
@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("encoding", ["rotary", "none"])
@pytest.mark.parametrize("spread", [0.2, 2.0], ids=["near", "far"])
def test_result_and_gradients(
    spread: float, encoding: str, who: str, steps: int, heads: int, size: int
) -> None:
    layer, x = random_layer(heads, size, spread=spread), steps_of(B, steps, heads * size)
    context = context_of(steps, heads, size, who, encoding)
    assert kernel._runs_compiled(x, context)
    actual = with_gradients(layer, lambda x: layer(x, context), x)
    expected = with_gradients(layer, lambda x: plainly(layer, x, context), x)
    torch.testing.assert_close(actual, expected, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize(("steps", "heads", "size"), SHAPES)
@pytest.mark.parametrize("who", WHO)
def test_single_precision(who: str, steps: int, heads: int, size: int) -> None:
    torch.manual_seed(steps)
    layer, x = random_layer(heads, size, spread=0.3), steps_of(B, steps, heads * size)
    context = context_of(steps, heads, size, who)
    expected = with_gradients(layer, lambda x: plainly(layer, x, context), x)
    layer.float()
    single = context._replace(rotation=tuple(tensor.float() for tensor in context.rotation))
    actual = with_gradients(layer, lambda x: layer(x, single), x.float())
    for left, other in zip(actual, expected, strict=True):
        scale = other.abs().max().item()
        torch.testing.assert_close(left.double(), other, rtol=1e-4, atol=1e-5 * scale)


def test_the_kernel_can_be_trusted_by_differences() -> None:
    layer = random_layer(2, 2, spread=0.7)
    cosine, sine = context_of(5, 2, 2, "all").rotation
    mask = some(2, 5)
    given = [steps_of(2, 5, 4), *(tensor.detach() for tensor in layer.parameters())]

    def attended(*given: Tensor) -> Tensor:
        return kernel._self_attention(*given, cosine, sine, mask, 2, 2, False)[0]

    assert torch.autograd.gradcheck(attended, [tensor.requires_grad_() for tensor in given])


@pytest.mark.parametrize("dim", [0, 1])
@pytest.mark.parametrize("masked", ["each its mask", "one mask", "no mask"])
def test_replicas_are_those_alone(masked: str, dim: int) -> None:
    steps, heads, size = 9, 2, 6
    layers = [random_layer(heads, size) for _ in range(R)]
    stacked = {
        name: torch.stack([dict(layer.named_parameters())[name] for layer in layers])
        for name, _ in layers[0].named_parameters()
    }
    for leaf in stacked.values():
        leaf.requires_grad_()
    x = torch.stack([steps_of(B, steps, heads * size) for _ in range(R)])
    context = context_of(steps, heads, size, "all")
    masks = [some(B, 1, 1, steps) for _ in range(R if masked == "each its mask" else 1)]
    tensor = torch.stack(masks) if len(masks) == R else None if masked == "no mask" else masks[0]

    def run(parameters: dict[str, Tensor], x: Tensor, mask: Tensor | None) -> Tensor:
        return functional_call(
            layers[0], parameters, (x, context._replace(bias=mask, under_vmap=True))
        )

    actual = vmap(run, (0, dim, 0 if len(masks) == R else None))(stacked, x.movedim(0, dim), tensor)
    together = torch.autograd.grad(actual.square().sum(), list(stacked.values()))
    for number, layer in enumerate(layers):
        mask = None if masked == "no mask" else masks[number % len(masks)]
        separate = plainly(layer, x[number], context._replace(bias=mask))
        torch.testing.assert_close(actual[number], separate)
        expected = torch.autograd.grad(separate.square().sum(), [*layer.parameters()])
        torch.testing.assert_close([tensor[number] for tensor in together], list(expected))


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
@pytest.mark.parametrize("spread", [0.3, 3.0], ids=["near", "far"])
@pytest.mark.parametrize("who", ["masked", "causal"])
def test_it_reads_nothing_that_it_may_not_see(who: str, spread: float, kind: torch.dtype) -> None:
    """Nor does anything change in what it reads of the rest, by as much as a bit."""
    steps, heads, size, last = 37, 2, 10, 7
    layer, context = (
        random_layer(heads, size, kind, spread),
        context_of(steps, heads, size, who, "none"),
    )
    if context.bias is not None:
        context.bias[..., -last:] = False
    x = steps_of(B, steps, heads * size).to(kind).requires_grad_()
    result = layer(x, context).unflatten(0, (B, steps))[:, :-last]
    (gradient,) = torch.autograd.grad(result.square().sum(), x)
    reached = gradient.unflatten(0, (B, steps)).abs().sum(-1) > 0
    assert not reached[:, -last:].any()
    assert reached[:, :-last].all()
    for worst in (1e4, *[torch.nan] * (who == "masked")):  # a weight of 0 times NaN is NaN
        changed = x.detach().unflatten(0, (B, steps)).clone()
        changed[:, -last:, ::2] = worst
        again = layer(changed.flatten(0, 1), context).unflatten(0, (B, steps))[:, :-last]
        assert torch.equal(again, result)


def test_who_may_see_no_key_reads_nothing() -> None:
    steps, heads, size = 37, 2, 10
    layer, context = random_layer(heads, size), context_of(steps, heads, size, "masked", "none")
    context.bias[1] = False
    x = steps_of(B, steps, heads * size)
    actual, to_x, *_ = with_gradients(layer, lambda x: layer(x, context), x)
    result = actual.unflatten(0, (B, steps))
    nothing = x.unflatten(0, (B, steps))[1] + layer.out_proj.bias
    torch.testing.assert_close(result[1], nothing)
    assert to_x.isfinite().all()
    torch.testing.assert_close(actual, plainly(layer, x, context))


def test_a_step_that_is_not_a_number_stays_in_its_example() -> None:
    layer, x = random_layer(2, 10, torch.float32), torch.randn(B * 37, 20)
    right = layer(x, AttentionContext(B))
    x[3, 5] = torch.nan
    result = layer(x, AttentionContext(B))
    assert result[:37].isnan().all()
    assert torch.equal(result[37:], right[37:])


def test_scores_far_from_zero_overflow_nothing() -> None:
    """Where weights are powers of scores themselves, these must be near enough to 0."""
    layer = random_layer(1, 8, torch.float32, spread=4.0)
    context = context_of(20, 1, 8, "all", "none")
    x = torch.randn(B * 20, 8)
    actual = with_gradients(layer, lambda x: layer(x, context), x)
    assert all(tensor.isfinite().all() for tensor in actual)
    exact = plainly(layer.double(), x.double(), context)
    torch.testing.assert_close(actual[0].double(), exact, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("width", "bias", "runs"),
    [
        (MAX_WIDTH, None, True),
        (MAX_WIDTH, torch.ones(B, 1, 1, 5, dtype=torch.bool), True),
        (MAX_WIDTH, torch.ones(1, 1, 5, 5, dtype=torch.bool), False),
        (MAX_WIDTH, torch.ones(1, 2, 5, 5), False),
        (MAX_WIDTH + 2, None, False),
    ],
    ids=["free", "padding", "visibility", "scores", "wide"],
)
def test_what_runs_compiled(width: int, bias: Tensor | None, runs: bool) -> None:
    assert kernel._runs_compiled(torch.zeros(B * 5, width), AttentionContext(B, bias)) is runs


def test_it_is_not_differentiated_twice() -> None:
    layer = random_layer(1, 4)
    x = steps_of(1, 3, 4).requires_grad_()
    with pytest.raises(RuntimeError, match="cannot be differentiated twice"):
        torch.autograd.grad(layer(x, AttentionContext(1)).sum(), x, create_graph=True)


def decoded(
    layer: nn.Module, x: Tensor, heads: int, encoding: str, first: int
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """What a causal layer gives for `x` `(B, T, D)`: the first steps at once, then each."""
    positions = Positions(encoding, x.shape[2], heads, 0)
    outputs, cache = [], None
    for begin, end in [(0, first), *((t, t + 1) for t in range(first, x.shape[1]))]:
        part = x[:, begin:end]
        context = self_attention_context(part, positions, True, seen=begin)
        output, cache = layer.extend(part.flatten(0, 1), context, cache)
        outputs.append(output.unflatten(0, (len(x), -1)))
    return torch.cat(outputs, dim=1), cache


@torch.no_grad()
@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
@pytest.mark.parametrize("encoding", ["rotary", "none"])
@pytest.mark.parametrize(("steps", "heads", "size"), SHAPES)
@pytest.mark.parametrize("batch", [1, 20, 37])
def test_steps_one_by_one(
    batch: int, steps: int, heads: int, size: int, encoding: str, kind: torch.dtype
) -> None:
    layer, x = (
        random_layer(heads, size, kind),
        torch.randn(batch, steps + 3, heads * size, dtype=kind),
    )
    result, cache = decoded(layer, x, heads, encoding, steps)
    with without_kernels():
        expected, expected_cache = decoded(layer, x, heads, encoding, steps)
    bounds = {} if kind == torch.float64 else {"rtol": 1e-4, "atol": 1e-4}
    torch.testing.assert_close(result, expected, **bounds)
    torch.testing.assert_close(cache, expected_cache, **bounds)


@torch.no_grad()
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(("steps", "heads", "size"), SHAPES)
def test_steps_over_a_memory(steps: int, heads: int, size: int, masked: bool) -> None:
    layer = CrossAttention(heads * size, heads).double()
    memory = layer.project_memory(torch.randn(B, steps, heads * size, dtype=torch.float64))
    mask = torch.rand(B, 1, 1, steps) < 0.5
    mask[1] = False  # there is nothing to read
    x, context = steps_of(B, 1, heads * size), AttentionContext(B, mask if masked else None)
    assert kernel._decodes_compiled(x, context)
    result = layer(x, memory, context)
    with without_kernels():
        torch.testing.assert_close(result, layer(x, memory, context))


@torch.no_grad()
def test_a_step_reads_nothing_that_it_may_not_see() -> None:
    layer = CrossAttention(20, 2).double()
    source, mask = torch.randn(B, 37, 20, dtype=torch.float64), torch.rand(B, 1, 1, 37) < 0.5
    x, context = steps_of(B, 1, 20), AttentionContext(B, mask)
    expected = layer(x, layer.project_memory(source), context)
    source[~mask[:, 0, 0]] = torch.nan
    assert torch.equal(layer(x, layer.project_memory(source), context), expected)


def test_steps_that_are_recorded_have_gradients() -> None:
    layer, x = random_layer(2, 4), torch.randn(B, 6, 8, dtype=torch.float64, requires_grad=True)
    result, _ = decoded(layer, x, 2, "rotary", 4)
    full = layer(x.flatten(0, 1), self_attention_context(x, Positions("rotary", 8, 2, 0), True))
    torch.testing.assert_close(result.flatten(0, 1), full)
    (actual,) = torch.autograd.grad(result.square().sum(), x, retain_graph=True)
    torch.testing.assert_close(actual, *torch.autograd.grad(full.square().sum(), x))


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize(("batch", "steps"), [(0, 5), (3, 0), (0, 0)])
def test_no_examples_or_no_steps_give_no_outputs(batch: int, steps: int) -> None:
    layer = random_layer(2, 4)
    x = torch.zeros(batch * steps, 8, dtype=torch.float64)
    result, *gradients = with_gradients(layer, lambda x: layer(x, AttentionContext(batch)), x)
    assert result.shape == gradients[0].shape == x.shape
    assert not any(gradient.any() for gradient in gradients)
