"""Attention against softmax(Q Kᵀ / √d + bias) V written out, alone and stacked under vmap."""

from collections.abc import Callable
from functools import reduce

import pytest
import torch
from torch import Tensor
from torch.func import vmap

from lagbench.kernels.attention import (
    AttentionContext,
    attention,
    attention_weights,
    extend_cache,
)
from lagbench.layers.positions import Positions
from lagbench.layers.transformer import self_attention_context

R, B, H, T, S, d = 3, 4, 2, 5, 7, 6


def normal(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def some(*shape: int) -> Tensor:
    """A mask that leaves every query a key."""
    mask = torch.rand(*shape) < 0.5
    mask[..., 0] = True
    return mask


BIASES: dict[str, Callable[[], Tensor | None]] = {
    "free": lambda: None,
    "padding": lambda: some(B, 1, 1, S),
    "visibility": lambda: some(1, 1, T, S),
    "distances": lambda: normal(1, H, T, S),
    "scores": lambda: normal(B, H, T, S),
}


def explicit(query: Tensor, key: Tensor, value: Tensor, context: AttentionContext) -> Tensor:
    """The definition, one query at a time."""
    bias = torch.zeros(1, dtype=torch.float64) if context.bias is None else context.bias
    if bias.dtype == torch.bool:
        bias = torch.zeros(bias.shape, dtype=torch.float64).masked_fill(~bias, -torch.inf)
    bias = bias.expand(B, H, query.shape[2], key.shape[2])
    rows = []
    for step in range(query.shape[2]):
        scores = (key * query[:, :, step, None]).sum(-1) / d**0.5 + bias[:, :, step]
        if context.causal:
            scores[..., step + 1 :] = -torch.inf
        shares = scores.exp() / scores.exp().sum(-1, keepdim=True)
        rows.append((shares[..., None] * value).sum(2))
    return torch.stack(rows, dim=2)


def with_gradients(output: Tensor, *inputs: Tensor) -> list[Tensor]:
    loss = (output * torch.linspace(-1, 1, output.numel()).double().view_as(output)).sum()
    return [output.detach(), *torch.autograd.grad(loss, inputs)]


@pytest.mark.parametrize("under_vmap", [False, True])
@pytest.mark.parametrize("bias", BIASES)
def test_attention_is_its_definition(bias: str, under_vmap: bool) -> None:
    inputs = [normal(B, H, steps, d).requires_grad_() for steps in (T, S, S)]
    context = AttentionContext(B, BIASES[bias](), under_vmap=under_vmap)
    actual = with_gradients(attention(*inputs, context), *inputs)
    torch.testing.assert_close(actual, with_gradients(explicit(*inputs, context), *inputs))


@pytest.mark.parametrize("under_vmap", [False, True])
def test_causal_attention_is_its_definition(under_vmap: bool) -> None:
    inputs = [normal(B, H, T, d).requires_grad_() for _ in range(3)]
    context = AttentionContext(B, causal=True, under_vmap=under_vmap)
    actual = with_gradients(attention(*inputs, context), *inputs)
    torch.testing.assert_close(actual, with_gradients(explicit(*inputs, context), *inputs))


@pytest.mark.parametrize("shared", [False, True], ids=["each its bias", "one bias"])
@pytest.mark.parametrize("bias", BIASES)
def test_replicas_under_vmap_are_replicas_alone(bias: str, shared: bool) -> None:
    inputs = [normal(R, B, H, steps, d).requires_grad_() for steps in (T, S, S)]
    left = BIASES[bias]()
    several = left if shared or left is None else torch.stack([left, *(BIASES[bias](), left)])
    dim = None if several is left else 0

    def attended(query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None) -> Tensor:
        return attention(query, key, value, AttentionContext(B, bias, under_vmap=True))

    actual = vmap(attended, (0, 0, 0, dim))(*inputs, several)
    expected = torch.stack(
        [
            explicit(
                *(x[r] for x in inputs), AttentionContext(B, several if dim is None else several[r])
            )
            for r in range(R)
        ]
    )
    torch.testing.assert_close(with_gradients(actual, *inputs), with_gradients(expected, *inputs))


def test_replicas_may_be_stacked_along_any_dimension_or_share_an_input() -> None:
    query, key, value = normal(B, R, H, T, d), normal(B, H, S, d), normal(B, H, S, d, R)
    for x in (query, key, value):
        x.requires_grad_()

    def attended(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        return attention(query, key, value, AttentionContext(B, under_vmap=True))

    actual = vmap(attended, (1, None, 4))(query, key, value)
    single = [explicit(query[:, r], key, value[..., r], AttentionContext(B)) for r in range(R)]
    torch.testing.assert_close(
        with_gradients(actual, query, key, value),
        with_gradients(torch.stack(single), query, key, value),
    )


@pytest.mark.parametrize("bias", BIASES)
def test_the_weights_are_those_that_attention_uses(bias: str) -> None:
    query, key, value = normal(B, H, T, d), normal(B, H, S, d), normal(B, H, S, d)
    context = AttentionContext(B, BIASES[bias]())
    shares = attention_weights(query, key, context)
    torch.testing.assert_close(shares @ value, attention(query, key, value, context))
    torch.testing.assert_close(shares.sum(-1), torch.ones_like(shares[..., 0]))
    if context.bias is not None and context.bias.dtype == torch.bool:
        assert (shares.masked_select(~context.bias) == 0).all()


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("encoding", ["alibi", "none"])
@pytest.mark.parametrize("seen", [0, 3])
def test_the_context_says_who_sees_whom(
    encoding: str, causal: bool, masked: bool, seen: int
) -> None:
    mask = some(B, seen + T) if masked else None
    positions = Positions(encoding, H * d, H, 0)
    context = self_attention_context(normal(B, T, H * d), positions, causal, mask, seen)
    shares = attention_weights(torch.zeros(B, H, T, d), torch.zeros(B, H, seen + T, d), context)
    for example in range(B):
        for query in range(T):
            for key in range(seen + T):
                seen_ = not (causal and key > seen + query)
                seen_ = seen_ and (mask is None or bool(mask[example, key]))
                assert bool(shares[example, 0, query, key] > 0) is seen_


@pytest.mark.parametrize("gradients", [False, True])
def test_keys_that_grow_are_those_joined(gradients: bool) -> None:
    pieces = [normal(R, B, H, steps, d) for steps in (3, 1, 1, 2, 1, 9, 1)]
    full = torch.cat(pieces, dim=3)
    with torch.set_grad_enabled(gradients):
        assert torch.equal(reduce(extend_cache, (piece[0] for piece in pieces)), full[0])
        assert torch.equal(vmap(lambda *weights: reduce(extend_cache, weights))(*pieces), full)


@torch.no_grad()
def test_keys_grow_in_place() -> None:
    keys, places = normal(B, H, 1, d), set()
    for _ in range(100):
        keys = extend_cache(keys, normal(B, H, 1, d))
        places.add(keys.data_ptr())
    assert len(places) <= 7  # one for each doubling


@torch.no_grad()
def test_two_may_continue_the_same_keys() -> None:
    past = extend_cache(normal(B, H, 3, d), normal(B, H, 1, d))
    some_rows = past[1:]
    before = past.clone()
    pieces = [normal(B, H, 1, d) for _ in range(4)]
    first, second = extend_cache(past, pieces[0]), extend_cache(past, pieces[1])
    third = extend_cache(some_rows, pieces[2][1:])
    assert torch.equal(extend_cache(first, pieces[3]), torch.cat([before, pieces[0], pieces[3]], 2))
    assert torch.equal(second, torch.cat([before, pieces[1]], 2))
    assert torch.equal(third, torch.cat([before, pieces[2]], 2)[1:])
