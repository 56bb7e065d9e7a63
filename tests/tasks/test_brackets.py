"""Brackets against a stack, the published walk, and chance against enumeration."""

from collections import Counter, defaultdict
from itertools import product

import pytest
import torch

from lagbench.contract import Split, UserError
from lagbench.tasks.brackets import Brackets


def drawn(task, length, count=64):
    return task.sample(length, count, torch.Generator().manual_seed(0), Split.TRAIN)


def followed(source, kinds, depth):
    """The set's number and the lag after every bracket, with a stack."""
    stack = []
    for step, bracket in enumerate(source):
        if bracket < kinds:
            stack.append((bracket, step))
            assert len(stack) <= depth
        else:
            assert stack.pop()[0] == bracket - kinds
        if not stack:
            yield 0, -1
        else:
            kind, opened = stack[-1]
            yield 1 + kind + kinds * (len(stack) == depth), step - opened


@pytest.mark.parametrize(("kinds", "depth"), [(1, 3), (3, 1), (2, 2), (8, 5)])
def test_strings_are_balanced_and_answers_are_those_of_a_stack(kinds, depth):
    batch = drawn(Brackets(kinds, depth), 60)
    for source, target, lag in zip(
        batch.source.tolist(), batch.target.tolist(), batch.lag.tolist(), strict=True
    ):
        assert list(followed(source, kinds, depth)) == list(zip(target, lag, strict=True))


def test_a_bracket_opens_or_closes_as_in_hewitt_et_al():
    kinds, depth = 2, 3
    batch = drawn(Brackets(kinds, depth), 50, 2000)
    after = defaultdict(Counter)
    for source in batch.source.tolist():
        level = 0
        for bracket in source:
            after[level][bracket if bracket < kinds else "close"] += 1
            level += 1 if bracket < kinds else -1
    for level, counts in after.items():
        opening = 1.0 if level == 0 else 0.0 if level == depth else 0.5
        for kind in range(kinds):
            share = counts[kind] / counts.total()
            assert share == pytest.approx(opening / kinds, abs=0.02 if opening else 0)


@pytest.mark.parametrize(("kinds", "depth"), [(1, 2), (3, 1), (2, 2), (2, 3)])
def test_chance_is_that_of_all_strings(kinds, depth):
    length = 6
    steps = [Counter() for _ in range(length)]
    for source in product(range(2 * kinds), repeat=length):
        weight, level = 1.0, 0
        for bracket in source:
            opening = 1.0 if level == 0 else 0.0 if level == depth else 0.5
            weight *= opening / kinds if bracket < kinds else (1 - opening)
            level += 1 if bracket < kinds else -1
        try:
            answers = list(followed(source, kinds, depth)) if weight else []
        except (AssertionError, IndexError):
            continue  # closed by a bracket of another kind
        for step, (answer, _) in enumerate(answers):
            steps[step][answer] += weight
    assert sum(steps[0].values()) == pytest.approx(1)
    expected = sum(max(step.values()) for step in steps) / length
    assert Brackets(kinds, depth).chance(length) == pytest.approx(expected, rel=1e-12)


def test_impossible_settings_are_refused():
    with pytest.raises(UserError):
        Brackets(kinds=0)
    with pytest.raises(UserError, match="nothing to tell"):
        Brackets(kinds=1, depth=1)
    with pytest.raises(UserError, match="at least 2, not 1"):
        drawn(Brackets(kinds=1), 1)
    with pytest.raises(UserError, match="at least 1, not 0"):
        drawn(Brackets(), 0)
