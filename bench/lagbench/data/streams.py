"""Seeds, endless training streams and operations on batches.

A stream's seed is derived from names that leave out the architecture and the learning rate, so
that all of them see the same examples and comparisons are paired.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, replace

import torch
from torch import Tensor

from lagbench.contract import Batch, Frames, Reals, Signature, Space, Split, Task, Tokens
from lagbench.registry import Named

BLOCK, BLOCK_BYTES = 16, 2**25  # training batches drawn in one call of a sampler, at most


def derived_seed(*names: object) -> int:
    """Return a seed of 63 bits: a hash of the names."""
    text = json.dumps([str(name) for name in names])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(*names: object) -> torch.Generator:
    """Return a CPU generator that is seeded from names."""
    return torch.Generator().manual_seed(derived_seed(*names))


@contextmanager
def seeded(device: torch.device, *names: object) -> Iterator[None]:
    """Seed torch's global generators from names, and restore them at the end."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(derived_seed(*names))
        yield


def training_batches(task: Named[Task], length: int, seed: int, size: int) -> Iterator[Batch]:
    """Yield training batches without end; a task, a length and a seed decide them."""
    source = generator("data", task.name, task.value.version, length, Split.TRAIN, seed)
    count = size * block_batches(task.value.signature(length), size)
    while True:
        sample = task.value.sample  # a block has no name here, so that it can be freed
        yield from split_into_batches(sample(length, count, source, Split.TRAIN), count, size)


def split_into_batches(block: Batch, count: int, size: int) -> Iterator[Batch]:
    """Yield `count` examples in batches of `size`; the block is freed before the next is drawn."""
    for start in range(0, count, size):
        yield select(block, slice(start, start + size))


def block_batches(signature: Signature, size: int) -> int:
    """Return how many training batches one call of the sampler draws.

    As many as fit in `BLOCK_BYTES`, from 1 to `BLOCK`. It decides which examples a stream holds,
    so it depends on their shapes only.
    """
    example = signature.steps * _step_bytes(signature.source)
    example += signature.target_steps * _step_bytes(signature.target)
    return max(1, min(BLOCK, BLOCK_BYTES // (size * example)))


def _step_bytes(space: Space) -> int:
    match space:
        case Tokens():
            return 8
        case Reals(width):
            return 4 * width
        case Frames(channels, height, width):
            return 4 * channels * height * width  # in single precision, however they are stored


def select(batch: Batch, index: int | slice | Tensor) -> Batch:
    """Index every tensor of a batch along the first dimension."""
    return replace(batch, **{name: value[index] for name, value in tensors(batch).items()})


def stack(batches: list[Batch]) -> Batch:
    """Stack batches of one shape along a new first dimension; frames in single precision."""
    columns = {name: [getattr(batch, name) for batch in batches] for name in tensors(batches[0])}
    return replace(batches[0], **{name: _stack(parts) for name, parts in columns.items()})


def _stack(parts: list[Tensor]) -> Tensor:
    if parts[0].dtype is not torch.float16:
        return torch.stack(parts)
    stacked = parts[0].new_empty(len(parts), *parts[0].shape, dtype=torch.float32)
    for row, part in zip(stacked, parts, strict=True):
        row.copy_(part)
    return stacked


def to_float32(values: Tensor) -> Tensor:
    """Convert half precision to single precision; leave other types as they are."""
    return values.float() if values.dtype is torch.float16 else values


def to_device(batch: Batch, device: torch.device) -> Batch:
    """Copy a batch to a device."""
    if device.type == "cpu":
        return batch
    moved = {n: t.to(device, non_blocking=True) for n, t in tensors(batch).items()}
    return replace(batch, **moved)


def tensors(batch: Batch) -> dict[str, Tensor]:
    """Return the tensors of a batch by field; those that are None are left out."""
    named = ((field.name, getattr(batch, field.name)) for field in fields(batch))
    return {name: value for name, value in named if value is not None}
