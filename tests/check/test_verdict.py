"""What checks come to, in words."""

import pytest

from lagbench.check import CheckResult, NotApplicable, judge


def even(number: int) -> str:
    """Numbers are even.

    More is said below.
    """
    if number == 0:
        return NotApplicable("nothing is neither")
    if number == 7:
        raise SystemExit("seven")
    if number == 9:
        raise AssertionError
    assert number % 2 == 0, f"{number} is odd."
    return f"{number // 2} pairs"


@pytest.mark.parametrize(
    ("cases", "finding"),
    [
        ([("", 2)], (True, "1 pairs", True)),
        ([("first", 2), ("second", 4)], (True, "first: 1 pairs; second: 2 pairs", True)),
        ([("first", 2), ("second", 2)], (True, "1 pairs", True)),
        ([("first", 2), ("second", 3)], (False, "second: 3 is odd.", True)),
        ([("", 9)], (False, "An assertion of its own fails.", True)),
        ([("", 7)], (False, "It raises SystemExit: seven", True)),
        ([("", None)], (False, "It raises TypeError: unsupported operand", True)),
        ([("", 0)], (True, "nothing is neither", False)),
        ([("first", 0), ("second", 2)], (True, "second: 1 pairs", True)),
        ([], (False, "There is nothing to check it on: no length or space.", True)),
    ],
)
def test_judgement(cases: list[tuple[str, int]], finding: tuple[bool, str, bool]) -> None:
    holds, detail, asked = finding
    found = judge(even, [(label, (number,)) for label, number in cases])
    assert found.detail.startswith(detail)
    assert found == CheckResult("even", "Numbers are even.", holds, found.detail, asked)


def test_an_interrupt_is_nobodys_fault() -> None:
    def interrupted() -> str:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        judge(interrupted, [("", ())])
