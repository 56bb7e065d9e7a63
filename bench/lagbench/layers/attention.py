"""Scaled dot-product attention, and who may see whom in it (Vaswani et al. 2017).

Attention(Q, K, V) = softmax(Q Kᵀ / √d + bias) V
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from lagbench.layers.positions import Positions, Rotation

Cache = tuple[Tensor, Tensor]  # keys and values of all steps so far, (B, H, S, d) each


class Scope(NamedTuple):
    """What the layers of one pass have in common: which keys a query sees, and from how far.

    batch: `B`, for layers that see the steps of all examples in one matrix.
    bias: `(B or 1, H or 1, t or 1, S)`: added to the scores, or, if bool, false where a query may
        not see a key.
    causal: a query sees no key after its own; only where there is no bias, and `t = S`.
    rotation: of the queries' positions, where positions are rotary.
    stacked: whether the pass runs under `torch.func.vmap`.
    """

    batch: int
    bias: Tensor | None = None
    causal: bool = False
    rotation: Rotation | None = None
    stacked: bool = False


def self_scope(
    x: Tensor,
    positions: Positions,
    causal: bool,
    mask: Tensor | None = None,
    seen: int = 0,
    stacked: bool = False,
) -> Scope:
    """The scope in which `x` `(B, t, D)` attends to itself and to the `seen` steps before it.

    mask: `(B, seen + t)` bool, false on steps that nobody may see; None: all may be seen.
    """
    bias, causal = _bias(x, positions.bias(x, seen), causal, mask, seen)
    return Scope(x.shape[0], bias, causal, positions.rotation(x, seen), stacked)


def _bias(
    x: Tensor, bias: Tensor | None, causal: bool, mask: Tensor | None, seen: int
) -> tuple[Tensor | None, bool]:
    """All that speaks against a key in one bias, or none where SDPA's own causal mask will do."""
    if causal and seen == 0 and mask is None and bias is None:
        return None, True
    allowed = None if mask is None else mask[:, None, None]
    if causal and x.shape[1] > 1:
        square = torch.ones(x.shape[1], seen + x.shape[1], dtype=torch.bool, device=x.device)
        past = square.tril(seen)[None, None]
        allowed = past if allowed is None else past & allowed
    if bias is None or allowed is None:
        return allowed if bias is None else bias, False
    return bias.masked_fill(~allowed, -torch.inf), False


def attend(query: Tensor, key: Tensor, value: Tensor, scope: Scope) -> Tensor:
    """Attention of `(B, H, t, d)` queries over `(B, H, S, d)` keys and values; `(B, H, t, d)`.

    A query that may see no key gets zeros. The scope's bias is a constant: no gradient reaches it.
    """
    product = _StackedAttention.apply if scope.stacked else _attention
    result: Tensor = product(query, key, value, scope.bias, scope.causal)
    return result


def appended(past: Tensor, new: Tensor) -> Tensor:
    """Keys or values `(B, H, S, d)` with `t` more after them: `(B, H, S + t, d)`.

    Without gradients they grow like a list, into memory with room for as many steps again. Only the
    tensor that was returned last knows its room, and the first to append to it takes the room over:
    what is made from it, such as other rows, and whoever appends to it again, copy.
    """
    if torch.is_grad_enabled():
        return torch.cat([past, new], dim=2)
    grown = longer(past, new.shape[2])
    grown[:, :, past.shape[2] :] = new
    return grown


def longer(past: Tensor, steps: int) -> Tensor:
    """What `appended` gives without gradients, before the further steps are written."""
    B, H, seen, size = past.shape
    steps += seen
    room = vars(past).pop("room", None)
    if room is None or room.shape[2] < steps:
        room = past.new_empty(B, H, 2 * steps, size)
        room[:, :, :seen] = past
    grown: Tensor = room[:, :, :steps]
    vars(grown)["room"] = room
    return grown


def room(cache: Tensor) -> Tensor:
    """Keys or values with the memory after them that `longer` has made, if it has."""
    whole: Tensor = vars(cache).get("room", cache)
    return whole


def weights(query: Tensor, key: Tensor, scope: Scope) -> Tensor:
    """The weights that `attend` gives the keys, `(B, H, t, S)`, for probes."""
    scores: Tensor = query @ key.mT / query.shape[-1] ** 0.5
    if scope.causal:
        future = torch.ones_like(scores, dtype=torch.bool).triu(1)
        scores = scores.masked_fill(future, -torch.inf)
    elif scope.bias is not None and scope.bias.dtype == torch.bool:
        scores = scores.masked_fill(~scope.bias, -torch.inf)
    elif scope.bias is not None:
        scores = scores + scope.bias
    return scores.softmax(dim=-1)


def _attention(
    query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None, causal: bool
) -> Tensor:
    return F.scaled_dot_product_attention(query, key, value, bias, is_causal=causal)


class _StackedAttention(torch.autograd.Function):
    """SDPA, which has no batching rule of its own, under `torch.func.vmap`: R joins the batch."""

    @staticmethod
    def forward(*inputs: Any) -> Tensor:
        return _attention(*inputs)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ARG004
        *tensors, ctx.causal = inputs
        ctx.save_for_backward(*tensors)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Outside vmap the forward pass is repeated: only the rule below has to be fast."""
        *inputs, bias = ctx.saved_tensors
        with torch.enable_grad():
            query, key, value = (tensor.detach().requires_grad_() for tensor in inputs)
            output = _attention(query, key, value, bias, ctx.causal)
        return (*torch.autograd.grad(output, (query, key, value), gradient), None, None)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *inputs: Any) -> tuple[Tensor, int]:
        """Here tensors are unwrapped one level, and ordinary autograd records what is done."""
        R = info.batch_size
        query, key, value = map(_fold, inputs[:3], in_dims, (R, R, R))
        bias, causal = inputs[3:]
        if bias is not None and (in_dims[3] is not None or bias.shape[0] > 1):
            bias = _fold(bias, in_dims[3], R, len(query) // R)
        return torch.unflatten(_attention(query, key, value, bias, causal), 0, (R, -1)), 0


def _fold(tensor: Tensor, dim: int | None, R: int, B: int = -1) -> Tensor:
    """Bring the stacked dimension, or R repetitions, to the front and into the batch of B."""
    first = tensor.expand(R, *tensor.shape) if dim is None else tensor.movedim(dim, 0)
    return first.expand(R, B, *first.shape[2:]).flatten(0, 1)
