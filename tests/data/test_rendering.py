"""Examples for people: against the examples of the docstrings, and names that fit every task."""

from dataclasses import dataclass, field
from typing import ClassVar

import pytest
import torch

from lagbench import registry
from lagbench.contract import (
    Alignment,
    Batch,
    DisplayNames,
    Frames,
    Metric,
    Reals,
    Signature,
    Space,
    Split,
    Task,
    Tokens,
)
from lagbench.data.rendering import render


@dataclass(frozen=True)
class Shown(Task):
    """Whatever is to be shown: 1 -> 1."""

    source: Space
    target: Space
    names: DisplayNames = field(default_factory=DisplayNames)
    metric: ClassVar[Metric] = Metric.ACCURACY

    def signature(self, length):
        return Signature(self.source, self.target, Alignment.FREE, length, length)

    def sample(self, length, count, generator, split):
        raise NotImplementedError

    def chance(self, length):
        return 0.0

    def oracle(self, length, source, source_mask):
        raise NotImplementedError

    def display_names(self, length):
        return self.names


def lines(task, batch, index=0):
    return render(task, batch.source.shape[1], batch, index).split("\n")


def block(name, *rows):
    return [f"  {name:8}{rows[0]}", *(f"{'':10}{row}" for row in rows[1:])]


def test_symbols_are_numbers_and_padding_is_not_shown():
    batch = Batch(
        torch.tensor([[3, 1, 4, 0]]),
        torch.tensor([[2, 7, 0, 0]]),
        torch.tensor([[True, True, True, False]]),
        torch.tensor([[True, True, False, False]]),
        torch.tensor([[3, -1, -1, -1]]),
    )
    task = Shown(Tokens(5), Tokens(8, end=7))
    assert lines(task, batch) == ["  source  3 1 4", "  target  2 end", "  lag     3 –"]


def test_targets_that_are_not_asked_for_leave_a_gap():
    mask = torch.tensor([[False, True, False, True, False]])
    batch = Batch(torch.zeros(1, 5, dtype=torch.int64), torch.arange(5)[None], None, mask)
    assert lines(Shown(Tokens(1), Tokens(5)), batch)[1] == "  target  _ 1 _ 3"


def test_single_letters_stand_together_and_words_apart():
    batch = Batch(torch.tensor([[0, 1, 2]]), torch.tensor([[0, 1, 0]]))
    task = Shown(Tokens(3), Tokens(2), DisplayNames(["a", "\n", " "], ["so", "it"]))
    assert lines(task, batch) == ["  source  a⏎", "  target  so it so"]


def test_numbers_are_rounded_and_vectors_stand_upright():
    source = torch.tensor([[[0.123], [-4.0]], [[1.0], [2.0]]])
    batch = Batch(source, torch.tensor([[[0.5, 1.25], [2.0, 3.0]]] * 2))
    task = Shown(Reals(1), Reals(2))
    assert lines(task, batch, 1) == ["  source  1.00 2.00", "  target  0.50/1.25 2.00/3.00"]
    turned = Batch(batch.target, source)
    assert lines(Shown(Reals(2), Reals(1)), turned) == [
        *block("source", "0.50 2.00", "1.25 3.00"), "  target  0.12 -4.00",
    ]  # fmt: skip


def test_named_coordinates_are_those_that_are_not_zero():
    batch = Batch(torch.tensor([[[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]]]), torch.zeros(1, 1).long())
    task = Shown(Reals(3), Tokens(1), DisplayNames(["C", "E", "minor"]))
    assert lines(task, batch)[0] == "  source  C minor E"


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_frames_are_shades_side_by_side(dtype):
    film = torch.tensor([[[[0.0, 1.0], [0.5, 0.25]]], [[[1.0, 1.0], [0.0, 0.0]]]])[None].to(dtype)
    task = Shown(Frames(1, 2, 2), Tokens(1))
    found = lines(task, Batch(film, torch.zeros(1, 1).long()))
    assert found[:2] == block("source", "  ██ │ ████ │", "▒▒░░ │      │")


def test_pixels_are_a_picture_where_the_task_says_so():
    pixels = torch.tensor([0.0, 1.0, 1.0, 0.0]).view(1, 4, 1)
    task = Shown(Reals(1), Tokens(1), DisplayNames(row=2))
    found = lines(task, Batch(pixels, torch.zeros(1, 1).long()))
    assert found[:2] == block("source", "  ██ │", "██   │")


def test_long_lines_are_wrapped_and_nothing_is_lost():
    symbols = torch.randint(1000, (1, 400), generator=torch.Generator().manual_seed(0))
    found = lines(Shown(Tokens(1000), Tokens(1)), Batch(symbols, torch.zeros(1, 1).long()))
    assert max(map(len, found)) <= 110
    assert [int(word) for line in found[:-1] for word in line.split() if word != "source"] == (
        symbols[0].tolist()
    )


@pytest.mark.parametrize("name", registry.tasks())
def test_names_fit_the_spaces_of_every_task(name):
    task = registry.tasks()[name]
    for length in task.lengths:
        signature, reading = task.signature(length), task.display_names(length)
        for names, space in (
            (reading.source, signature.source),
            (reading.target, signature.target),
        ):
            size = space.size if isinstance(space, Tokens) else getattr(space, "width", 0)
            assert len(names) in (0, size)
            assert len(set(names)) == len(names) or isinstance(space, Reals)
        assert reading.row == 0 or signature.steps % reading.row == 0
    batch = task.sample(task.lengths[0], 2, torch.Generator().manual_seed(0), Split.TEST)
    assert render(task, task.lengths[0], batch, 1).startswith("  source  ")


def shown(task, length, source, target):
    value = registry.task(task).value
    steps = torch.tensor(source)[None]
    found = render(value, length, Batch(steps, torch.tensor(target)[None]), 0).split("\n")
    return found[0].removeprefix("  source  "), found[1].removeprefix("  target  ")


def test_examples_of_docstrings_read_as_they_stand_there():
    assert shown("brackets:kinds=2,depth=2", 4, [0, 1, 3, 2], [1, 4, 1, 0]) == ("([])", "+) ] +) +")
    assert shown("addition", 5, [5, 3, 10, 6, 1], [1, 1, 4, 10]) == ("53+61", "114.")
    assert shown("recall", 4, [2, 8, 5, 16], [0]) == ("c *a f ?", "a")
    assert shown("temporal_order", 4, [6, 4, 5, 7], [1]) == ("EXYB", "XY")
    assert shown("modular_arithmetic", 5, [1, 5, 2, 7, 3], [2]) == ("1+2*3", "2")


def test_the_order_of_signals_reads_as_it_was():
    value = registry.task("temporal_order:signals=3").value
    batch = value.sample(12, 20, torch.Generator().manual_seed(0), Split.TEST)
    for index in range(20):
        source, target, _ = render(value, 12, batch, index).split("\n")
        assert "".join(letter for letter in source if letter in "XY") == target[10:]


def test_what_may_come_after_brackets_reads_as_it_does():
    value = registry.task("brackets:kinds=9,depth=3").value
    batch = value.sample(20, 20, torch.Generator().manual_seed(0), Split.TEST)
    for index in range(20):
        source, target, _ = render(value, 20, batch, index).split("\n")
        open_ones = []
        for bracket, may in zip(source.split()[1:], target.split()[1:], strict=True):
            if bracket[0] in "([{<«‹⌈⌊":
                open_ones.append(")]}>»›⌉⌋"["([{<«‹⌈⌊".index(bracket[0])] + bracket[1:])
            else:
                assert open_ones.pop() == bracket
            closing = open_ones[-1] if open_ones else ""
            assert may == ("+" if len(open_ones) < 3 else "") + closing
