"""How findings are told."""

from dataclasses import dataclass

import pytest

from lagbench import registry
from lagbench.check import CheckResult
from lagbench.check.results import plain, registered_by, sentences
from lagbench.contract import Architecture, UserError
from lagbench.registry import Named

FOUND = (
    CheckResult("one", "One holds.", True, "3 of 3"),
    CheckResult("two", "Two holds.", True),
    CheckResult("three", "Three holds.", True, "there is no third", applies=False),
)
BROKEN = CheckResult("four", "Four holds.", False, "it is off by 5")


@dataclass(frozen=True)
class Toy(Architecture):
    """Never built."""

    layers: int = 1

    def build(self, width, signature):
        raise AssertionError


@pytest.fixture(autouse=True)
def names(monkeypatch):
    for private in ("_ARCHITECTURES", "_TASKS", "_HOMES"):
        monkeypatch.setattr(registry, private, dict(getattr(registry, private)))
    registry.register("toy", Toy())


@pytest.mark.parametrize(
    ("found", "end"),
    [
        (FOUND, "  2 of 2 hold: the contract is kept."),
        ((*FOUND, BROKEN), "  2 of 3 hold: the contract is broken."),
    ],
)
def test_sentences(found, end):
    first, *lines, last = sentences(Named("toy:layers=2", Toy(2)), found).splitlines()
    assert first == f"toy:layers=2, architecture of {__file__}"
    assert (
        lines
        == [
            "  holds           One holds. [3 of 3]",
            "  holds           Two holds.",
            "  does not apply  Three holds. [there is no third]",
            "  DOES NOT HOLD   Four holds. [it is off by 5]",
        ][: len(found)]
    )
    assert last == end


def test_plain():
    assert plain(Named("toy", Toy()), FOUND)["holds"]
    told = plain(Named("toy", Toy()), [BROKEN])
    assert told == {
        "name": "toy",
        "kind": "architecture",
        "holds": False,
        "checks": [
            {
                "name": "four",
                "sentence": "Four holds.",
                "holds": False,
                "detail": "it is off by 5",
                "applies": True,
            }
        ],
    }


def test_all_that_a_file_registers(tmp_path):
    home = registry.home("copy")
    assert "copy" in [named.name for named in registered_by(home)]
    assert {registry.home(named.name) for named in registered_by(home)} == {home}
    empty = tmp_path / "empty.py"
    empty.write_text("")
    with pytest.raises(UserError, match="registers no architecture and no task"):
        registered_by(empty)
