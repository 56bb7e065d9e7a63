"""What holds for how batches are drawn: from the generator alone, in splits that are disjoint."""

import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from math import sqrt

import numpy as np
import torch

from lagbench.check.draws import draw
from lagbench.contract import Batch, Split, Task

COUNT = 512


def determinism(task: Task, length: int) -> str:
    """The generator alone decides a batch, and no other source of randomness is disturbed."""
    with _others_seeded(1):
        first = draw(task, length, 32)
    with _others_seeded(2):
        again = draw(task, length, 32)
    for name in ("source", "target", "source_mask", "target_mask", "lag"):
        a, b = getattr(first, name), getattr(again, name)
        same = a is b or (a is not None and b is not None and torch.equal(a, b))
        assert same, f"The same generator draws another {name}."
    stream = torch.Generator().manual_seed(0)
    for _ in range(2):
        last = task.sample(length, 32, stream, Split.TRAIN)
    for way, other in (("again", last), ("from another seed", draw(task, length, 32, seed=1))):
        assert not torch.equal(first.source, other.source) or not torch.equal(
            first.target, other.target
        ), f"Drawn {way}, the batch is the same: the generator is not read."
    return ""


def splits(task: Task, length: int) -> str:
    """Training, validation and test do not share examples, but for coincidences of small spaces."""
    sizes = {split: task.num_examples(length, split) for split in Split}
    if None in sizes.values():
        assert set(sizes.values()) == {None}, f"Some splits are finite and some are not: {sizes}."
        return _generated(task, length)
    return _finite(task, length, {split: size for split, size in sizes.items() if size is not None})


def _generated(task: Task, length: int) -> str:
    """Repeats between splits are no more common than between two training streams."""
    seen = set(_sources(draw(task, length, 2 * COUNT, seed=1)))
    repeats = {}
    for seed, split in enumerate((Split.TRAIN, Split.VALIDATION, Split.TEST), start=2):
        drawn = _sources(draw(task, length, COUNT, seed, split))
        repeats[split] = sum(source in seen for source in drawn)
    coincidence = repeats.pop(Split.TRAIN)
    for split, repeated in repeats.items():
        spread = sqrt(coincidence + repeated)
        assert repeated - coincidence <= 5 * spread + 2, (
            f"{repeated} of {COUNT} {split} sources were drawn for training too, where "
            f"{coincidence} would by coincidence."
        )
    named = " and ".join(f"{repeated} of {COUNT} {split}" for split, repeated in repeats.items())
    return f"of {2 * COUNT} training sources, {named} sources are repeats"


def _finite(task: Task, length: int, sizes: dict[Split, int]) -> str:
    """No source is in two splits, and a split is drawn whole before anything comes twice."""
    drawn = {}
    for split, size in sizes.items():
        drawn[split] = Counter(_sources(draw(task, length, size, 1, split)))
        again = Counter(_sources(draw(task, length, size, 2, split)))
        assert drawn[split] == again, f"Two draws of all {size} {split} examples are not the same."
        more = _sources(draw(task, length, size + 3, 3, split))
        assert set(more) <= set(drawn[split]), f"A longer draw of {split} holds other examples."
    for a, b in ((Split.TRAIN, Split.VALIDATION), (Split.TRAIN, Split.TEST),
                     (Split.VALIDATION, Split.TEST)):  # fmt: skip
        shared = len(drawn[a].keys() & drawn[b].keys())
        assert not shared, f"{shared} sources are in both {a} and {b}."
    return ", ".join(f"{size} {split}" for split, size in sizes.items())


def _sources(drawn: Batch) -> list[bytes]:
    """The sources as keys, whatever stands on padding."""
    source, mask = drawn.source, drawn.source_mask
    if mask is None:
        return [row.tobytes() for row in source.numpy()]
    lengths = mask.sum(1).tolist()
    return [row[:n].tobytes() for row, n in zip(source.numpy(), lengths, strict=True)]


@contextmanager
def _others_seeded(seed: int) -> Iterator[None]:
    """Seed the global generators, assert that nobody draws from them, and put them back."""
    before = torch.get_rng_state(), np.random.get_state(), random.getstate()  # noqa: NPY002
    try:
        torch.default_generator.manual_seed(seed)
        np.random.seed(seed)  # noqa: NPY002  (the generator that must not be drawn from)
        random.seed(seed)
        states = _states()
        yield
        for name, state in _states().items():
            assert state == states[name], f"It draws from the global generator of {name}."
    finally:
        torch.set_rng_state(before[0])
        np.random.set_state(before[1])  # noqa: NPY002
        random.setstate(before[2])


def _states() -> dict[str, bytes]:
    legacy = np.random.get_state(legacy=False)  # noqa: NPY002
    return {
        "torch": torch.get_rng_state().numpy().tobytes(),
        "numpy": repr(legacy["state"]["pos"]).encode() + legacy["state"]["key"].tobytes(),
        "random": repr(random.getstate()).encode(),
    }
