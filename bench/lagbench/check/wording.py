"""What is checked on request, and what was found, in words."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lagbench import registry
from lagbench.check.verdict import Finding
from lagbench.contract import Architecture, Task, UserError
from lagbench.registry import Named

Subject = Named[Architecture] | Named[Task]


def registered_by(path: Path) -> list[Subject]:
    """The architectures, then the tasks, that a Python file registers; it is imported if need be.

    Raises `UserError` where it does not import, or registers nothing.
    """
    if not _at(path):  # a built-in file's own names are taken already
        registry.discover([path])
    found = _at(path)
    if not found:
        raise UserError(f"{path} registers no architecture and no task.")
    return found


def sentences(named: Subject, findings: Sequence[Finding]) -> str:
    """One line a finding, and how many there are of each kind."""
    lines = [f"{named.name}, {kind(named)} of {registry.home(named.preset)}"]
    lines += [f"  {_verdict(finding):<14}  {_told(finding)}" for finding in findings]
    broken = sum(not finding.holds for finding in findings)
    asked = sum(finding.asked for finding in findings)
    count = f"{asked - broken} of {asked} hold"
    return "\n".join([*lines, f"  {count}: the contract is {'broken' if broken else 'kept'}."])


def plain(named: Subject, findings: Sequence[Finding]) -> dict[str, Any]:
    """The same as plain data."""
    return {
        "name": named.name,
        "kind": kind(named),
        "holds": all(finding.holds for finding in findings),
        "checks": [asdict(finding) for finding in findings],
    }


def kind(named: Subject) -> str:
    """`architecture` or `task`."""
    return "architecture" if isinstance(named.value, Architecture) else "task"


def _at(path: Path) -> list[Subject]:
    of_both: list[Subject] = [
        *(Named(*item) for item in registry.architectures().items()),
        *(Named(*item) for item in registry.tasks().items()),
    ]
    return [named for named in of_both if registry.home(named.name).resolve() == path.resolve()]


def _verdict(finding: Finding) -> str:
    if not finding.holds:
        return "DOES NOT HOLD"
    return "holds" if finding.asked else "does not apply"


def _told(finding: Finding) -> str:
    return f"{finding.sentence} [{finding.detail}]" if finding.detail else finding.sentence
