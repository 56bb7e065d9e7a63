"""Public data sets, where they lie beside the project; else these tests are skipped."""

import os
from pathlib import Path

import pytest
import torch

from lagbench import registry
from lagbench.check import predictions, task
from lagbench.contract import Split

PROJECT = Path(__file__).parents[4]
FOLDER = Path(os.environ.get("LAGBENCH_DATA", PROJECT.parent / "shared" / "data"))

SETS = {  # the task, its length, and how many examples of each split there are
    "tiny_shakespeare.txt": ("next_token:source={}", 64, None),
    "rt_polarity": ("sentiment:source={}", 32, (8529, 1066, 1067)),
    "multi30k": ("translation:source={},shortest=0,longer=cut", 12, (29000, 1014, 1000)),
    "jsb_chorales": ("melody:source={},notes=chords", 16, (229, 76, 77)),
    "ecg5000": ("heartbeat:source={}", 140, (350, 75, 75)),
}


@pytest.fixture(params=SETS)
def case(request):
    place = FOLDER / request.param
    if not place.exists():
        pytest.skip(f"there is no {place}: LAGBENCH_DATA names the folder that holds it")
    text, length, sizes = SETS[request.param]
    return registry.task(text.format(place)).value, length, sizes


def test_all_is_read_and_keeps_the_contract(case):
    value, length, sizes = case
    actual = tuple(value.num_examples(length, split) for split in Split)
    assert sizes is None or actual == sizes
    for check in (task.signature, task.batch, task.padding, predictions.oracle, predictions.chance):
        check(value, length)


def test_it_reads_as_what_it_is(case):
    value, length, _ = case
    reading, signature = value.display_names(length), value.signature(length)
    batch = value.sample(length, 50, torch.Generator().manual_seed(0), Split.TEST)
    if signature.source == signature.target:
        text = "".join(reading.source[symbol] for symbol in batch.source.flatten())
        assert "\n" in text
        assert " the " in text
    elif not batch.source.is_floating_point():
        words = {reading.source[symbol] for symbol in batch.source[batch.source_mask]}
        assert {"the", "a", "."} <= {word.lower() for word in words}
    assert len(reading.target) == signature.target.size
