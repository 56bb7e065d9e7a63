"""The simple recurrence: `h_t = φ(x_t + W h_{t-1})`, with `φ` tanh or relu."""

from typing import Any

import torch
from torch import Tensor

from lagbench.kernels import recurrences as compiled
from lagbench.kernels.autograd import Stackable, differentiable_once
from lagbench.kernels.library import serves
from lagbench.layers.recurrence import (
    arrivals,
    backward_through,
    batch_major,
    blocks_backward,
    rows_of,
    storage,
    summation,
    time_major,
    unless_compiled,
    weight_gradient,
)


def rnn_loop(x: Tensor, weight: Tensor, initial: Tensor, relu: bool = False) -> Tensor:
    """The obvious loop: what `rnn` computes, on autograd's tape."""
    activate = torch.relu if relu else torch.tanh
    h, states = initial, []
    for x_t in x.unbind(1):
        h = activate(x_t + h @ weight.mT)
        states.append(h)
    return torch.stack(states, dim=1)


def rnn(
    x: Tensor, weight: Tensor, initial: Tensor, relu: bool = False, source: Tensor | None = None
) -> Tensor:
    """All states `(B, T, H)` from projected inputs `x` `(B, T, H)`.

    weight: `W` `(H, H)`. initial: the state before the first step, `(B, H)`. source: what
    `projected` takes, with `x` as its table. Equals `rnn_loop`.
    """
    x, source = unless_compiled(x, source, x.shape[-1])
    if source is None and x.shape[1] == 1:
        return rnn_loop(x, weight, initial, relu)
    hidden: Tensor
    (hidden,) = _RNN.apply(x, source, weight, initial, relu)  # type: ignore[no-untyped-call]
    return hidden


class _RNN(Stackable):
    @staticmethod
    def forward(
        x: Tensor, source: Tensor | None, weight: Tensor, initial: Tensor, relu: bool
    ) -> tuple[Tensor]:
        if serves(x, initial.shape[-1]):
            return (compiled.rnn(x, source, weight, initial, relu),)
        x = time_major(x)
        hidden, now = storage(x, x.shape[-1]), torch.empty_like(initial)
        add, transposed = summation(weight), weight.mT.contiguous()
        h = initial
        for x_t, h_t in zip(x.unbind(0), hidden.unbind(0), strict=True):
            add(x_t, h, transposed, out=now)
            h = torch.clamp_min(now, 0, out=h_t) if relu else torch.tanh(now, out=h_t)
        return (batch_major(hidden),)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor]) -> None:
        x, source, *_, ctx.relu = inputs
        ctx.rows = rows_of(x, source)
        ctx.save_for_backward(*inputs[1:-1], *output)

    @staticmethod
    @differentiable_once
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        _, weight, initial, hidden = saved = ctx.saved_tensors
        if serves(hidden, hidden.shape[-1]):
            to_x, *others = compiled.rnn_backward(ctx.rows, *saved, gradient, ctx.relu)
            return to_x, None, *others, None
        deltas, carried = _deltas(weight, hidden, gradient, ctx.relu)
        to_weight = weight_gradient(time_major(deltas), time_major(hidden), initial)
        return deltas, None, to_weight, carried, None


def _deltas(weight: Tensor, hidden: Tensor, gradient: Tensor, relu: bool) -> tuple[Tensor, Tensor]:
    """Gradients of the pre-activations, and of the initial state."""
    hidden = time_major(hidden)
    carried, arriving = arrivals(gradient, hidden)
    deltas = storage(hidden, hidden.shape[-1])
    steps = deltas.unbind(0)
    add = summation(weight)
    for block in blocks_backward(hidden, hidden.shape[-1]):
        _slopes(hidden[block], relu, out=deltas[block])
        for t in backward_through(block):
            delta = steps[t].mul_(carried)
            add(arriving[t], delta, weight, out=carried)
    return batch_major(deltas), carried


def _slopes(hidden: Tensor, relu: bool, out: Tensor) -> None:
    """The derivative of the activation, from its value."""
    if relu:
        torch.sign(hidden, out=out)
    else:
        torch.addcmul(hidden.new_ones(()), hidden, hidden, value=-1, out=out)
