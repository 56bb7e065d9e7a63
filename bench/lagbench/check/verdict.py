"""What a check comes to, in words."""

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

Check = Callable[..., str]
"""Raises `AssertionError` with a sentence where something does not hold; returns what it measured.

The first line of its docstring says what holds.
"""


class NotAsked(str):
    """What a check returns where it does not apply: the reason, as a clause."""

    __slots__ = ()


@dataclass(frozen=True)
class Finding:
    """One check of one architecture or task.

    name: the check's, one word or a few joined by _.
    sentence: what holds, or should.
    holds: whether it does; true where it is not asked for.
    detail: what failed and by how much; else what was measured, or why it is not asked for.
    asked: whether it applies.
    """

    name: str
    sentence: str
    holds: bool
    detail: str = ""
    asked: bool = True


def judge(check: Check, cases: Iterable[tuple[str, tuple[Any, ...]]]) -> Finding:
    """Run a check on labelled cases until one fails, whatever the author's code raises."""
    name, sentence = check.__name__, (inspect.getdoc(check) or "").partition("\n")[0]
    measured: dict[str, str] = {}
    label = ""
    try:
        for label, arguments in cases:
            measured[label] = check(*arguments)
    except AssertionError as failure:
        told = str(failure) or "An assertion of its own fails."
        return Finding(name, sentence, False, _told({label: told}))
    except (Exception, SystemExit) as error:
        told = f"It raises {type(error).__name__}: {error}"
        return Finding(name, sentence, False, _told({label: told}))
    if not measured:
        return Finding(
            name, sentence, False, "There is nothing to check it on: no length or space."
        )
    asked = {case: told for case, told in measured.items() if not isinstance(told, NotAsked)}
    return Finding(name, sentence, True, _told(asked or measured), bool(asked))


def _told(details: dict[str, str]) -> str:
    """Details after the labels of their cases, or once where they are all the same."""
    if len(details) > 1 and len(set(details.values())) == 1:
        return next(iter(details.values()))
    parts = (f"{label}: {told}" if label else told for label, told in details.items() if told)
    return "; ".join(parts)
