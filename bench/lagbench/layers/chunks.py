"""Linear attention in chunks of time: parallel inside a chunk, recurrent from one to the next.

Attention without a softmax can be read in two ways: as a matrix over all pairs of steps, parallel
but quadratic in `T`, or as a state that each step updates, linear but one step at a time. In
chunks of constant length it is parallel and linear (Hua et al. 2022, arXiv:2202.10447; Yang et
al. 2024, arXiv:2312.06635). A chunk of one step is the recurrence itself.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from lagbench.contract import State

CHUNK = 64  # steps; the work inside a chunk grows with it, the number of chunks shrinks


def by_chunks(
    read: Callable[..., tuple[Tensor, State]], inputs: Sequence[Tensor], state: State, dim: int
) -> tuple[Tensor, State]:
    """Cut the inputs along time, read the chunks one after another, and join their outputs.

    read: the inputs of one chunk and the state before it -> outputs and the state after it.
    dim: where time is, in all inputs and in the outputs.
    """
    outputs = []
    for chunk in zip(*(torch.split(x, CHUNK, dim) for x in inputs), strict=True):
        output, state = read(*chunk, state)
        outputs.append(output)
    return torch.cat(outputs, dim), state


def split_heads(projected: Tensor, heads: int) -> Tensor:
    """`(B, T, n · H · d)` -> `(n, B, H, T, d)`: queries, keys and values, for `n = 3`."""
    return torch.unflatten(projected, 2, (3, heads, -1)).permute(2, 0, 3, 1, 4)


def join_heads(y: Tensor) -> Tensor:
    """`(B, H, T, d)` -> `(B, T, H · d)`."""
    return y.transpose(1, 2).flatten(2)
