"""Streams and fixed splits."""

import pytest
import torch

from lagbench import registry
from lagbench.contract import Alignment, Frames, Reals, Signature, Split, Tokens
from lagbench.data.splits import fixed_split
from lagbench.data.streams import block_batches, derived_seed, tensors, training_batches


def take(task, seed, count, size=4):
    stream = training_batches(registry.task(task), 8, seed, size)
    return [next(stream) for _ in range(count)]


def test_a_seed_depends_on_every_name_and_nothing_else():
    assert derived_seed("a", 1) == derived_seed("a", 1)
    assert (
        len({derived_seed("a", 1), derived_seed("a", 2), derived_seed("a1"), derived_seed(1, "a")})
        == 4
    )
    assert 0 <= derived_seed("x") < 2**63


def test_a_stream_repeats_by_seed_and_ignores_the_global_generator():
    torch.manual_seed(1)
    first = take("recall", 0, 40)
    torch.manual_seed(2)
    again, other = take("recall", 0, 40), take("recall", 1, 40)
    assert all(torch.equal(a.source, b.source) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0].source, other[0].source)
    assert not torch.equal(first[0].source, first[20].source)


@pytest.mark.parametrize(
    ("signature", "size", "batches"),
    [
        (Signature(Tokens(9), Tokens(9), Alignment.ALIGNED, 64, 64), 64, 16),
        (Signature(Tokens(9), Tokens(9), Alignment.ALIGNED, 2**12, 2**12), 64, 8),  # 4 MiB each
        (Signature(Reals(3), Reals(1), Alignment.POOLED, 2**20 // 3), 4, 2),  # just below 16 MiB
        (Signature(Frames(1, 16, 16), Tokens(8), Alignment.POOLED, 1024), 64, 1),  # too large
    ],
)
def test_a_block_holds_as_many_batches_as_fit(signature, size, batches):
    assert block_batches(signature, size) == batches


@pytest.mark.parametrize("name", ["recall", "adding", "copy", "frame_labels"])
def test_a_cached_split_is_the_drawn_one(name, tmp_path):
    task = registry.task(name)
    drawn = fixed_split(task, 8, Split.TEST, 30)
    for _ in range(2):  # written, then read
        cached = fixed_split(task, 8, Split.TEST, 30, tmp_path)
        assert tensors(cached).keys() == tensors(drawn).keys()
        for key, value in tensors(drawn).items():
            assert torch.equal(getattr(cached, key), value)
            assert getattr(cached, key).dtype == value.dtype
    assert len(list(tmp_path.iterdir())) == 1


def test_splits_differ_from_each_other_and_by_fields(tmp_path):
    names = ("recall", "recall:symbols=4")
    found = [
        fixed_split(registry.task(name), 16, split, 30, tmp_path).source
        for name in names
        for split in (Split.VALIDATION, Split.TEST)
    ]
    assert len({tuple(source.flatten().tolist()) for source in found}) == 4


def test_a_split_never_holds_more_than_there_is():
    digits = registry.task("digits")
    split = fixed_split(digits, 64, Split.TEST, 100_000)
    assert split.source.shape[0] == digits.value.num_examples(64, Split.TEST)
