"""What the recurrences share: a loop over time as one node of the autograd graph.

Autograd's own tape over a loop costs more than the arithmetic of a small cell. A kernel runs the
loop without a tape, and its backward pass is derived by hand in the same three moves for every
cell:

1. how a step's pre-activations move with its state does not depend on the gradient that arrives:
   these slopes are computed for a block of steps at once;
2. the loop back through time multiplies them, in place, by the gradient that is carried, which
   makes them the gradients of the pre-activations, and sends those through the recurrent weight;
3. the gradient of the recurrent weight is one product over all steps.

The inputs' projection `W x + b` is a product over all steps at once and left to autograd: every
recurrence takes `(B, T, G * H)` for `G` gates. Where a loop is compiled, it can be done without,
too: see `projected`. Inside, time comes first, `[T, B, N]`, or `[T, R, B, N]` where
`torch.func.vmap` stacks `R` replicas: the same code, on batched products. Inputs that are
time-major in memory, as `linear(x.transpose(0, 1)).transpose(0, 1)`, suit it best.

The cells are in `layers.rnn`, `layers.gru`, `layers.gru_original`, `layers.gru_minimal` and
`layers.lstm`, each beside the obvious loop that it must equal, and which takes half the time over
a single step. None can be differentiated twice. The layers that use them: `layers.recurrent`.
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from lagbench.kernels.embedding import lookup
from lagbench.kernels.library import serves

sigmoid_backward = torch.ops.aten.sigmoid_backward.grad_input  # (gradient, output, grad_input=)
tanh_backward = torch.ops.aten.tanh_backward.grad_input

_BLOCK = 2**16  # elements of one gate in a block of steps, which then stays in a core's cache


def projected(table: Tensor, source: Tensor | None) -> Tensor:
    """What a source and a table say together: `W x + b` `(B, T, N)`, time-major in memory.

    Symbols `(B, T)` name rows of a table `(V, N)`. Values `(B, T, D)` are multiplied with all rows
    of a table `(D + 1, N)` but the last, and that is added. Without a source, it is the table.
    """
    if source is None:
        return table
    if source.dtype == torch.int64:
        return lookup(table, source.mT).transpose(0, 1)
    return at_every_step(source, table[:-1].mT, table[-1])


def unless_compiled(
    table: Tensor, source: Tensor | None, units: int
) -> tuple[Tensor, Tensor | None]:
    """Table and source as they are, where a compiled loop reads them; else, projected, and None."""
    if source is not None and source.shape[1] > 1 and serves(table, units):
        return table, source
    return projected(table, source), None


def rows_of(table: Tensor, source: Tensor | None) -> int:
    """How many rows a source names or multiplies; 0 without one."""
    return 0 if source is None else table.shape[-2]


def at_every_step(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """`weight x + bias` `(B, T, N)` of `x` `(B, T, D)`, time-major in memory.

    All steps stand in one matrix: under `vmap` a product with more dimensions copies the weights
    for each of them.
    """
    B, T, _ = x.shape
    steps = x.transpose(0, 1).flatten(0, 1)
    found = torch.nn.functional.linear(steps, weight, bias)
    return torch.unflatten(found, 0, (T, B)).transpose(0, 1)


def time_major(x: Tensor) -> Tensor:
    """A view `[T, …, B, N]` of `(…, B, T, N)`."""
    return x.movedim(-2, 0)


def batch_major(x: Tensor) -> Tensor:
    """A view `(…, B, T, N)` of `[T, …, B, N]`."""
    return x.movedim(0, -2)


def by_gate(x: Tensor, H: int) -> Tensor:
    """A view `(…, G, H)` of `(…, G * H)`."""
    return torch.unflatten(x, -1, (x.shape[-1] // H, H))


def storage(x: Tensor, width: int) -> Tensor:
    """Uninitialised `[T, …, B, width]` for the steps of `x` `[T, …, B, N]`.

    A replica's steps lie side by side in memory, so that products over all of them need no copy.
    """
    T, *replicas, B, _ = x.shape
    return x.new_empty(*replicas, T, B, width).movedim(-3, 0)


def accumulation(weight: Tensor) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """`a += b @ weight` in place, for a weight `(N, M)` or a stack of them `(R, N, M)`."""
    return torch.Tensor.addmm_ if weight.dim() == 2 else torch.Tensor.baddbmm_


def summation(weight: Tensor) -> Callable[..., Tensor]:
    """`a + b @ weight` into `out`, for a weight `(N, M)` or a stack of them `(R, N, M)`."""
    return torch.addmm if weight.dim() == 2 else torch.baddbmm


def arrivals(gradient: Tensor | None, hidden: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Unpack the gradient `(…, B, T, H)` of the states `hidden` `[T, …, B, H]`; None is zeros.

    Returns a copy of the last step's, where the loop back through time begins, and for each step
    what joins once it is done: the gradient of the state before it, zeros for the initial state.
    """
    if gradient is None:
        gradient = batch_major(torch.zeros_like(hidden))
    steps = gradient.unbind(-2)
    last = steps[-1].clone(memory_format=torch.contiguous_format)
    return last, [torch.zeros_like(last), *steps[:-1]]


def blocks_backward(x: Tensor, width: int) -> Iterator[slice]:
    """Slices of the time of `x` `[T, …, B, N]`, last to first, each short enough for the cache."""
    steps = len(x)
    length = max(1, _BLOCK // max(1, x[0, ..., 0].numel() * width))
    for end in range(steps, 0, -length):
        yield slice(max(0, end - length), end)


def backward_through(block: slice) -> range:
    """The steps of a block, last to first."""
    return range(block.stop - 1, block.start - 1, -1)


def before(states: Tensor, initial: Tensor, block: slice) -> Tensor:
    """The states before the steps of a block, from the states `[T, …, B, H]` after each step."""
    if block.start:
        return states[block.start - 1 : block.stop - 1]
    return torch.cat([initial.unsqueeze(0), states[: block.stop - 1]])


def outer_products(deltas: Tensor, states: Tensor) -> Tensor:
    """Their sum over steps and batch: `[T, …, B, N]`, `[T, …, B, H]` -> `(…, N, H)`."""
    return _flattened(deltas).mT @ _flattened(states)


def weight_gradient(deltas: Tensor, states: Tensor, initial: Tensor) -> Tensor:
    """The gradient `(…, N, H)` of a recurrent weight.

    deltas: gradients of the products with it, `[T, …, B, N]`. states: `[T, …, B, H]` after each
    step, which the product of the *next* step reads. initial: `(…, B, H)`.
    """
    later = outer_products(deltas[1:], states[:-1])
    return accumulation(later)(later, deltas[0].mT, initial)


def _flattened(x: Tensor) -> Tensor:
    return x.movedim(0, -3).flatten(-3, -2)
