"""A summary of a task's data at one length."""

from collections.abc import Iterator
from typing import Any

from lagbench.contract import Batch, Frames, Reals, Space, Split, Task, Tokens
from lagbench.data.splits import fixed_split
from lagbench.data.streams import training_batches
from lagbench.registry import Named

_DRAWN = 2048  # examples that are compared, fewer where one is large
_NUMBERS = 2**22  # that they hold together, at most


def overview(named: Named[Task], length: int) -> dict[str, Any]:
    """Return spaces, metric, levels, numbers of examples, and the task's own data summary."""
    task, signature = named.value, named.value.signature(length)
    most = "up to " if signature.padded else ""
    sizes = {split: task.num_examples(length, split) for split in Split}
    return {
        "source": f"{_named(signature.source)}, {most}{signature.steps} steps",
        "target": f"{_named(signature.target)}, {most}{signature.target_steps} steps",
        "alignment": signature.alignment.value,
        "metric": task.metric.name,
        "chance": task.chance(length),
        "optimum": task.optimum(length),
        **{f"{split} examples": size or "any number" for split, size in sizes.items()},
        **(task.data_summary(length) or dict(_repeats(named, length))),
    }


def _named(space: Space) -> str:
    match space:
        case Tokens(size):
            return f"{size} symbols"
        case Reals(width):
            return f"vectors of {width}" if width > 1 else "numbers"
        case Frames(channels, height, width):
            return f"images of {channels} × {height} × {width}"


def _repeats(named: Named[Task], length: int) -> Iterator[tuple[str, str]]:
    """Count the sources of validation and test that were drawn for training too."""
    size = fixed_split(named, length, Split.TEST, 1).source.numel()
    count = min(_DRAWN, max(16, _NUMBERS // size))
    drawn = next(training_batches(named, length, 0, count // 16))
    trained = set(_sources(drawn))
    for split in (Split.VALIDATION, Split.TEST):
        fixed = list(_sources(fixed_split(named, length, split, count)))
        again = sum(source in trained for source in fixed)
        yield f"{split} sources drawn for training", f"{again} of {len(fixed)}"


def _sources(batch: Batch) -> Iterator[bytes]:
    """Return the bytes of each source, without padding."""
    for index, source in enumerate(batch.source):
        real = source if batch.source_mask is None else source[batch.source_mask[index]]
        yield real.numpy().tobytes()
