"""The result of a check, and results as text or plain data."""

import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lagbench import registry
from lagbench.contract import Architecture, Task, UserError
from lagbench.registry import Named
from lagbench.train.execution import author_line

Check = Callable[..., str]
"""Raises `AssertionError` with a sentence if something does not hold; returns what it measured.

The first line of its docstring says what holds.
"""

Subject = Named[Architecture] | Named[Task]


class NotApplicable(str):
    """Returned by a check that does not apply: the reason, as a clause."""

    __slots__ = ()


@dataclass(frozen=True)
class CheckResult:
    """The result of one check of one architecture or task.

    name: of the check.
    sentence: what holds, or should.
    holds: whether it does; true where the check does not apply.
    detail: what failed and by how much; else what was measured, or why it does not apply.
    applies: whether the check applies.
    """

    name: str
    sentence: str
    holds: bool
    detail: str = ""
    applies: bool = True


def judge(check: Check, cases: Iterable[tuple[str, tuple[Any, ...]]]) -> CheckResult:
    """Run a check on labelled cases until one fails, whatever the author's code raises."""
    name, sentence = check.__name__, (inspect.getdoc(check) or "").partition("\n")[0]
    details: dict[str, str] = {}
    label = ""
    try:
        for label, arguments in cases:
            details[label] = check(*arguments)
    except AssertionError as failure:
        detail = str(failure) or "An assertion of its own fails."
        return CheckResult(name, sentence, False, _joined({label: detail}))
    except (Exception, SystemExit) as error:
        detail = f"It raises {type(error).__name__}: {error}"
        if line := author_line(error):
            detail += f" ({line})"
        return CheckResult(name, sentence, False, _joined({label: detail}))
    if not details:
        detail = "There is nothing to check it on: no length or space."
        return CheckResult(name, sentence, False, detail)
    measured = {case: text for case, text in details.items() if not isinstance(text, NotApplicable)}
    return CheckResult(name, sentence, True, _joined(measured or details), bool(measured))


def _joined(details: dict[str, str]) -> str:
    """Details after the labels of their cases, or once if they are all the same."""
    if len(details) > 1 and len(set(details.values())) == 1:
        return next(iter(details.values()))
    parts = (f"{label}: {text}" if label else text for label, text in details.items() if text)
    return "; ".join(parts)


def registered_by(path: Path) -> list[Subject]:
    """The architectures, then the tasks, that a Python file registers, importing it if need be.

    Raises `UserError` if it does not import, or registers nothing.
    """

    def subjects() -> list[Subject]:
        named: list[Subject] = [
            *(Named(*item) for item in registry.architectures().items()),
            *(Named(*item) for item in registry.tasks().items()),
        ]
        return [item for item in named if registry.home(item.name).resolve() == path.resolve()]

    if not subjects():  # the names of a built-in file are taken already
        registry.discover([path])
    if not subjects():
        raise UserError(f"{path} registers no architecture and no task.")
    return subjects()


def sentences(named: Subject, results: Sequence[CheckResult]) -> str:
    """One line for each result, and how many hold."""
    lines = [f"{named.name}, {kind(named)} of {registry.home(named.preset)}"]
    for result in results:
        verdict = "holds" if result.applies else "does not apply"
        verdict = verdict if result.holds else "DOES NOT HOLD"
        detail = f" [{result.detail}]" if result.detail else ""
        lines.append(f"  {verdict:<14}  {result.sentence}{detail}")
    broken = sum(not result.holds for result in results)
    applying = sum(result.applies for result in results)
    outcome = f"the contract is {'broken' if broken else 'kept'}"
    return "\n".join([*lines, f"  {applying - broken} of {applying} hold: {outcome}."])


def plain(named: Subject, results: Sequence[CheckResult]) -> dict[str, Any]:
    """The results as plain data."""
    return {
        "name": named.name,
        "kind": kind(named),
        "holds": all(result.holds for result in results),
        "checks": [asdict(result) for result in results],
    }


def kind(named: Subject) -> str:
    """`architecture` or `task`."""
    return "architecture" if isinstance(named.value, Architecture) else "task"
