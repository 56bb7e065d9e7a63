"""Identity: every thing that decides a trial moves its key, and nothing else does."""

from dataclasses import replace

from lagbench import registry
from lagbench.spec.budget import Budget
from lagbench.spec.cell import Cell
from lagbench.spec.recipe import Recipe

CELL = Cell(
    registry.architecture("gru"), registry.task("recall"), 8, (0, 1), (1e-3, 1e-2), Recipe(),
    Budget(parameters=1000),
)  # fmt: skip


def test_the_key_moves_with_all_that_decides():
    others = [
        replace(CELL, architecture=registry.architecture("gru:layers=2")),
        replace(CELL, architecture=registry.architecture("lstm")),
        replace(CELL, task=registry.task("recall:cue=first")),
        replace(CELL, length=9),
        replace(CELL, seeds=(0, 1, 2)),
        replace(CELL, rates=(1e-3,)),
        replace(CELL, recipe=Recipe(steps=7)),
        replace(CELL, budget=Budget(width=10)),
    ]
    keys = {CELL.key, *(cell.key for cell in others)}
    trials = {cell.trial_key(*pair) for cell in (CELL, *others) for pair in cell.pairs}
    assert len(keys) == len(others) + 1
    assert len(trials) == sum(len(cell.pairs) for cell in (CELL, *others))


def test_the_key_is_the_same_in_every_process():
    same = replace(CELL, architecture=registry.architecture("gru:layers=1"))
    assert same.key == CELL.key
    assert len(CELL.key) == 20
