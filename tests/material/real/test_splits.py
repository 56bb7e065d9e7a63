"""Parting: fixed, disjoint by what is read, complete, and in the stated shares."""

import random
from collections import Counter

import pytest

from lagbench.contract import Split, UserError
from lagbench.material.real.loading import LoadedDataset, complete_splits, portions

ROWS = [(f"text {number % 300}", number) for number in range(400)]  # a hundred texts stand twice


def actual(**splits):
    return LoadedDataset("here", {Split(name): rows for name, rows in splits.items()}, "")


def test_a_single_split_is_parted_by_what_is_read():
    parts = complete_splits(actual(train=ROWS))
    assert Counter(row for rows in parts.values() for row in rows) == Counter(ROWS)
    texts = {split: {text for text, _ in rows} for split, rows in parts.items()}
    assert not texts[Split.TRAIN] & (texts[Split.VALIDATION] | texts[Split.TEST])
    assert not texts[Split.VALIDATION] & texts[Split.TEST]
    assert {split: len(each) for split, each in texts.items()} == {
        Split.TRAIN: 210, Split.VALIDATION: 45, Split.TEST: 45,
    }  # fmt: skip


def test_the_order_of_the_rows_does_not_matter():
    shuffled = random.Random(0).sample(ROWS, len(ROWS))
    one, two = complete_splits(actual(train=ROWS)), complete_splits(actual(train=shuffled))
    assert {s: sorted(rows) for s, rows in one.items()} == {s: sorted(r) for s, r in two.items()}


def test_splits_that_are_there_are_kept_and_what_is_missing_is_taken_from_training():
    test = [("one", 0), ("one", 1)]
    parts = complete_splits(actual(train=ROWS, test=test))
    assert parts[Split.TEST] == test
    assert len({text for text, _ in parts[Split.VALIDATION]}) == 300 - 300 * 14 // 17
    whole = {"train": ROWS, "validation": ROWS[:3], "test": test}
    assert complete_splits(actual(**whole)) == {Split(name): rows for name, rows in whole.items()}


def test_an_empty_split_is_refused():
    with pytest.raises(UserError, match=r"The test split of here is empty\.$"):
        complete_splits(actual(train=ROWS, validation=ROWS, test=[]))
    with pytest.raises(UserError, match=r"split of here is empty\. 2 different rows are too few"):
        complete_splits(actual(train=[("one", 0), ("two", 0), ("one", 1)]))


def test_portions_are_consecutive_and_leave_nothing_out():
    assert portions("abcdefghij" * 2, list(Split)) == {
        Split.TRAIN: "abcdefghijabcd", Split.VALIDATION: "efg", Split.TEST: "hij",
    }  # fmt: skip
    assert portions("abcdefghijklmnopq", [Split.TRAIN, Split.TEST])[Split.TEST] == "opq"
