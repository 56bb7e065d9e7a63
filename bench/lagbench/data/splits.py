"""Fixed validation and test splits, and their cache on disk."""

import json
import shutil
import tempfile
from pathlib import Path

import numpy as np
import torch

from lagbench.contract import Batch, Split, Task, UserError
from lagbench.data.streams import derived_seed, generator, tensors
from lagbench.registry import Named


class CacheError(UserError):
    """A split cannot be written to its cache, or its cached copy is damaged."""


def fixed_split(
    task: Named[Task], length: int, split: Split, count: int, cache: Path | None = None
) -> Batch:
    """Return the examples of a split, always the same: `count`, or as many as the task has.

    cache: a folder that keeps each split as a Hugging Face data set (Arrow), named by a
        fingerprint of everything that decides its content; None: draw it again.
    Raises `CacheError` if a cached split cannot be written or read.
    """
    count = min(count, task.value.num_examples(length, split) or count)
    content = task.value.version, task.value.fingerprint()
    identity = ("data", task.name, task.fields, *content, length, split, count)
    if cache is None:
        return _sample_split(task, length, split, count)
    folder = cache / f"{task.preset}-{length}-{split}-{derived_seed(*identity):016x}"
    if not folder.exists():
        drawn = _sample_split(task, length, split, count)
        try:
            _save(drawn, folder)
        except OSError as error:
            raise CacheError(f"{folder} cannot be written: {error.strerror or error}.") from error
    try:
        return _load(folder)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CacheError(f"{folder} is damaged ({error}): move it away.") from error


def _sample_split(task: Named[Task], length: int, split: Split, count: int) -> Batch:
    source = generator("data", task.name, task.value.version, length, split)
    return task.value.sample(length, count, source, split)


def _save(batch: Batch, folder: Path) -> None:
    """Write a batch atomically as a data set; another process may write the same one first."""
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
