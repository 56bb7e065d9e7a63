"""Melodies, composed note by note, and the partition of the briefs."""

from collections import Counter
from itertools import product

import pytest
import torch

from lagbench.contract import Split, UserError
from lagbench.tasks.melody import DEGREES, FIGURE, KEYS, MODES, STEPS, Melody

# In semitones above the tonic, as music theory has them.
SCALES = {
    "ionian": (0, 2, 4, 5, 7, 9, 11),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "phrygian": (0, 1, 3, 5, 7, 8, 10),
    "lydian": (0, 2, 4, 6, 7, 9, 11),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
    "aeolian": (0, 2, 3, 5, 7, 8, 10),
    "locrian": (0, 1, 3, 5, 6, 8, 10),
}


def drawn(length, count, split=Split.TRAIN):
    return Melody().sample(length, count, torch.Generator().manual_seed(0), split)


def read(row):
    """The key, the mode and the figure that a source step asks for."""
    places = row.nonzero()[:, 0].tolist()
    assert row[places].tolist() == [1] * 6
    key, mode = places[0], places[1] - 12
    return key, MODES[mode], [STEPS[position - 19 - 4 * i] for i, position in enumerate(places[2:])]


def composed(key, mode, figure, length):
    """Note by note: at the ends of two octaves, the rest of a step goes back."""
    degree, direction = 7, 1
    for u in range(length):
        yield key + SCALES[mode][degree % 7] + 12 * (degree // 7)
        step = figure[u % FIGURE] * direction
        for _ in range(abs(step)):
            way = 1 if step > 0 else -1
            if not 0 <= degree + way < DEGREES:
                direction, step, way = -direction, -step, -way
            degree += way


def test_the_example_of_the_docstring():
    assert list(composed(0, "ionian", [2, -1, 2, 1], 8)) == [12, 16, 14, 17, 19, 23, 21, 24]


@pytest.mark.parametrize("length", [1, 3, 40])
def test_melodies_are_those_asked_for(length):
    batch = drawn(length, 300)
    for source, target in zip(batch.source[:, 0], batch.target.tolist(), strict=True):
        assert target == list(composed(*read(source), length))


def test_every_brief_is_of_one_split_and_all_choices_are_trained():
    briefs = []
    for split, share in ((Split.TRAIN, 0.7), (Split.VALIDATION, 0.15), (Split.TEST, 0.15)):
        size = Melody().num_examples(8, split)
        assert size == pytest.approx(share * 21_504, rel=0.001)
        sources = drawn(1, size, split).source[:, 0]
        seen = Counter(tuple(row.nonzero()[:, 0].tolist()) for row in sources)
        assert seen.total() == len(seen) == size
        briefs += seen
        used = Counter(position for brief in seen for position in brief)
        for first, choices in ((0, 12), (12, 7), *((19 + 4 * i, 4) for i in range(4))):
            for position in range(first, first + choices):
                assert used[position] == pytest.approx(size / choices, rel=0.1)
    assert len(set(briefs)) == len(KEYS) * len(MODES) * len(STEPS) ** FIGURE == 21_504


def test_chance_is_that_of_all_briefs():
    length, counts = 6, [Counter() for _ in range(6)]
    for key, mode, *figure in product(range(12), MODES, *[STEPS] * FIGURE):
        for u, note in enumerate(composed(key, mode, figure, length)):
            counts[u][note] += 1
    expected = sum(max(position.values()) for position in counts) / (length * 21_504)
    assert Melody().chance(length) == pytest.approx(expected, rel=1e-12)


def test_impossible_lengths_are_refused():
    with pytest.raises(UserError, match="at least 1, not 0"):
        drawn(0, 1)
