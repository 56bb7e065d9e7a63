"""Drawing, looking up and guessing, against the same by hand."""

from collections import Counter
from math import log2

import pytest
import torch

from lagbench.contract import (
    Alignment,
    Batch,
    DisplayNames,
    Reals,
    Signature,
    Split,
    Tokens,
    UserError,
)
from lagbench.material.real import examples as examples_module
from lagbench.material.real.examples import (
    Examples,
    KeyIndex,
    drop_unused_masks,
    entropy,
    majority_accuracy,
    source_keys,
)


def examples(**splits):
    signature = Signature(Tokens(5), Tokens(3), Alignment.POOLED, 2, padded=True)
    known = {Split(name): batch for name, batch in splits.items()}
    return Examples(signature, known, 0.5, DisplayNames(), {"cut": 1})


def batch(source, target, mask=None, target_mask=None):
    masks = [None if m is None else torch.tensor(m, dtype=torch.bool) for m in (mask, target_mask)]
    return Batch(torch.tensor(source), torch.tensor(target), *masks)


FOUND = examples(
    train=batch([[1, 2], [1, 2], [1, 2], [3, 0]], [[0], [1], [1], [2]], [[1, 1]] * 3 + [[1, 0]]),
    validation=batch([[3, 4], [1, 2]], [[0], [0]], [[1, 0], [1, 1]]),
    test=batch([[3, 4]], [[1]], [[1, 1]]),
)


def test_nothing_is_drawn_twice_before_all_has_been_drawn():
    drawn = FOUND.sample(8, torch.Generator().manual_seed(0), Split.TRAIN)
    for half in (slice(0, 4), slice(4, 8)):
        pairs = zip(drawn.source[half].tolist(), drawn.target[half].tolist(), strict=True)
        assert sorted(map(str, pairs)) == sorted([
            "([1, 2], [0])", "([1, 2], [1])", "([1, 2], [1])", "([3, 0], [2])",
        ])  # fmt: skip
    assert drawn.source_mask.shape == (8, 2)


def test_answers_count_all_examples_that_are_read_alike():
    source = torch.tensor([[1, 2], [3, 4], [3, 1]])
    mask = torch.tensor([[1, 1], [1, 1], [1, 0]], dtype=torch.bool)  # the last: 3 and padding
    assert FOUND.answers(source, mask).tolist() == [[[2, 2, 0]], [[0, 1, 0]], [[1, 0, 1]]]
    with pytest.raises(UserError, match="none of those that were read"):
        FOUND.answers(source[:1], torch.tensor([[True, False]]))


def test_repeats_between_splits_are_counted():
    assert FOUND.summary() == {
        "cut": 1,
        "validation sources that are in training too": 2,
        "test sources that are in training too": 0,
    }


def test_the_likeliest_answer_is_taken_at_each_step_where_one_is_asked_for():
    target = [[0, 1, 2], [0, 2, 2], [1, 2, 0]]
    assert majority_accuracy(batch([[0]] * 3, target)) == 6 / 9
    asked = [[1, 1, 0], [1, 1, 0], [1, 0, 0]]
    assert majority_accuracy(batch([[0]] * 3, target, target_mask=asked)) == 3 / 5


def test_entropy_is_that_of_the_counts():
    tokens = torch.tensor([0, 0, 0, 2, 2, 5])
    expected = -sum(n / 6 * log2(n / 6) for n in Counter(tokens.tolist()).values())
    assert entropy(tokens) == pytest.approx(expected, abs=1e-12)


def test_masks_that_say_nothing_are_left_out():
    full = {Split.TRAIN: batch([[1, 2]], [[0]], [[1, 1]])}
    plain, padding = drop_unused_masks(full)
    assert (plain[Split.TRAIN].source_mask, padding) == (None, False)
    kept, padding = drop_unused_masks({**full, Split.TEST: batch([[1, 2]], [[0]], [[1, 0]])})
    assert padding
    assert kept[Split.TRAIN].source_mask is not None


@pytest.mark.parametrize("width", [None, 1, 3])
def test_matches_are_those_of_comparing_all_pairs(width):
    generator = torch.Generator().manual_seed(0)
    shape = (50, 3) if width is None else (50, 3, width)
    stored = torch.randint(2, shape, generator=generator)
    wanted = torch.randint(2, (20, *shape[1:]), generator=generator)
    if width is not None:
        stored, wanted = stored.float() / 3, wanted.float() / 3
    row, path = KeyIndex(source_keys(stored, None)).matches(source_keys(wanted, None))
    expected = (wanted[:, None] == stored[None]).flatten(2).all(2).nonzero().tolist()
    assert sorted(zip(row.tolist(), path.tolist(), strict=True)) == [tuple(x) for x in expected]


def test_keys_are_the_same_in_chunks_and_without_padding(monkeypatch):
    generator = torch.Generator().manual_seed(0)
    source = torch.randint(9, (40, 6), generator=generator)
    mask = torch.arange(6) < torch.randint(1, 7, (40, 1), generator=generator)
    complete = source_keys(source, mask)
    assert torch.equal(source_keys(source.masked_fill(~mask, 7), mask), complete)
    monkeypatch.setattr(examples_module, "_CHUNK", 13)
    assert torch.equal(source_keys(source, mask), complete)
    assert len(source_keys(source.float()[..., None], mask).unique()) == len(complete.unique())


def test_reals_are_told_apart():
    signature = Signature(Reals(1), Tokens(2), Alignment.POOLED, 1)
    known = Batch(torch.tensor([[[0.1]], [[-0.1]]]), torch.tensor([[0], [1]]))
    actual = Examples(signature, dict.fromkeys(Split, known), 0.5, DisplayNames(), {})
    assert actual.answers(known.source, None).tolist() == [[[3, 0]], [[0, 3]]]
