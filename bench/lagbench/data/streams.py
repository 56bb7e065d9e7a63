"""Where batches come from: endless training streams and fixed validation and test splits.

Every stream's seed is derived from names that leave out the architecture and the learning rate,
so that all of them see the same examples and comparisons are paired.
"""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lagbench.contract import Batch, Frames, Reals, Signature, Space, Split, Task, Tokens, UserError
from lagbench.registry import Named

BLOCK, BLOCK_BYTES = 16, 2**25  # training batches drawn in one call of a sampler, at most


class CacheError(UserError):
    """A split cannot be kept where it should be, or is damaged there."""


def derived_seed(*names: object) -> int:
    """A seed of 63 bits that depends on all the names and on nothing else."""
    text = json.dumps([str(name) for name in names])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(*names: object) -> torch.Generator:
    """A generator on the CPU, seeded from names."""
    return torch.Generator().manual_seed(derived_seed(*names))


@contextmanager
def seeded(device: torch.device, *names: object) -> Iterator[None]:
    """Seed torch's global generators from names, and restore them at the end."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(derived_seed(*names))
        yield


def training_batches(task: Named[Task], length: int, seed: int, size: int) -> Iterator[Batch]:
    """The endless stream of training batches that belongs to a task, a length and a seed."""
    source = generator("data", task.name, task.value.version, length, Split.TRAIN, seed)
    count = size * block_batches(task.value.signature(length), size)
    while True:
        yield from _parted(task.value.sample(length, count, source, Split.TRAIN), count, size)


def _parted(block: Batch, count: int, size: int) -> Iterator[Batch]:
    """The batches of a block, which is let go before the next one is drawn."""
    for start in range(0, count, size):
        yield select(block, slice(start, start + size))


def block_batches(signature: Signature, size: int) -> int:
    """How many training batches are drawn at once: as many as fit in `BLOCK_BYTES`, at least one.

    Which examples a stream has depends on it, so it is a rule of their shapes alone.
    """
    example = signature.steps * _bytes(signature.source)
    example += signature.target_steps * _bytes(signature.target)
    return max(1, min(BLOCK, BLOCK_BYTES // (size * example)))


def _bytes(space: Space) -> int:
    """How large a step is, of frames in single precision, whatever they are kept in."""
    match space:
        case Tokens():
            return 8
        case Reals(width):
            return 4 * width
        case Frames(channels, height, width):
            return 4 * channels * height * width


def fixed_split(
    task: Named[Task], length: int, split: Split, count: int, cache: Path | None = None
) -> Batch:
    """The examples of a split, always the same: `count`, or as many as the task has.

    cache: a folder that keeps each split as a Hugging Face data set (Arrow), named by a
    fingerprint of all that decides it; None: it is drawn anew.
    Raises `CacheError` where it cannot be written, or read again.
    """
    count = min(count, task.value.num_examples(length, split) or count)
    content = task.value.version, task.value.fingerprint()
    identity = ("data", task.name, task.fields, *content, length, split, count)
    if cache is None:
        return _drawn(task, length, split, count)
    folder = cache / f"{task.preset}-{length}-{split}-{derived_seed(*identity):016x}"
    if not folder.exists():
        drawn = _drawn(task, length, split, count)
        try:
            _save(drawn, folder)
        except OSError as error:
            raise CacheError(f"{folder} cannot be written: {error.strerror or error}.") from error
    try:
        return _load(folder)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CacheError(f"{folder} is damaged ({error}): move it away.") from error


def _drawn(task: Named[Task], length: int, split: Split, count: int) -> Batch:
    source = generator("data", task.name, task.value.version, length, split)
    return task.value.sample(length, count, source, split)


def select(batch: Batch, index: int | slice | Tensor) -> Batch:
    """The same batch at some indices of its first dimension."""
    return replace(batch, **{name: value[index] for name, value in tensors(batch).items()})


def stack(batches: list[Batch]) -> Batch:
    """Batches of one shape as one, with a new first dimension; frames in single precision."""
    columns = {name: [getattr(batch, name) for batch in batches] for name in tensors(batches[0])}
    return replace(batches[0], **{name: _stacked(parts) for name, parts in columns.items()})


def _stacked(parts: list[Tensor]) -> Tensor:
    if parts[0].dtype is not torch.float16:
        return torch.stack(parts)
    whole = parts[0].new_empty(len(parts), *parts[0].shape, dtype=torch.float32)
    for place, part in zip(whole, parts, strict=True):
        place.copy_(part)
    return whole


def to_float32(values: Tensor) -> Tensor:
    """Half precision as single precision, and all else as it is."""
    return values.float() if values.dtype is torch.float16 else values


def to_device(batch: Batch, device: torch.device) -> Batch:
    """The batch on a device."""
    if device.type == "cpu":
        return batch
    moved = {n: t.to(device, non_blocking=True) for n, t in tensors(batch).items()}
    return replace(batch, **moved)


def tensors(batch: Batch) -> dict[str, Tensor]:
    """The tensors that a batch has, by field."""
    named = ((field.name, getattr(batch, field.name)) for field in fields(batch))
    return {name: value for name, value in named if value is not None}


def _save(batch: Batch, folder: Path) -> None:
    """Write the batch as a data set, whole or not at all; another process may have been faster."""
    from datasets import Dataset, disable_progress_bars  # half a second: not before it is needed

    disable_progress_bars()
    columns = tensors(batch)
    flat = {name: list(value.flatten(1).numpy()) for name, value in columns.items()}
    dataset = Dataset.from_dict(flat)
    dataset.info.description = json.dumps(
        {name: [list(value.shape[1:]), str(value.numpy().dtype)] for name, value in columns.items()}
    )
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".partial-"))
    try:
        dataset.save_to_disk(str(partial))
        partial.rename(folder)
    except OSError:
        shutil.rmtree(partial)
        if not folder.exists():
            raise


def _load(folder: Path) -> Batch:
    from datasets import load_from_disk

    dataset = load_from_disk(str(folder)).with_format("numpy")
    shapes = json.loads(dataset.info.description)
    return Batch(
        **{
            name: torch.from_numpy(
                np.ascontiguousarray(dataset[:][name]).astype(dtype).reshape(-1, *shape)
            )
            for name, (shape, dtype) in shapes.items()
        }
    )
