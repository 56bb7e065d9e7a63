"""What the tests of tracking share; a module of its own, since every `conftest` has one name."""

from pathlib import Path

from lagbench.run.runner import Watcher
from lagbench.spec.suite import Selection, cells, load, selected

KEY = "0123456789" * 4  # of the form of an API key, and nobody's
TINY = str(Path(__file__).parents[1] / "suites" / "tiny.toml")
SMALLEST = Selection(("gru",), ("recall",), (4,))


def one_cell():
    """A cell of four trials: two seeds, two learning rates."""
    (cell,) = cells(selected(load(TINY), SMALLEST))
    return cell


class Warnings(Watcher):
    def __init__(self):
        self.said = []

    def warned(self, sentence):
        self.said.append(sentence)
