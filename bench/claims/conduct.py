"""Conducting the experiments, and judging all claims by what they stored.

Every experiment is a suite of its own, `claims/NAME`, run into a folder of its own, `OUT/NAME`: an
ordinary run with its own report, which `lagbench run claims/NAME` would do likewise. So two of them
may try the same architecture on the same task by other recipes, and no table mixes them.
`OUT/paces.json` holds what was timed.
"""

from collections.abc import Sequence
from pathlib import Path

from bench.claims import CLAIMS
from bench.claims.claim import Claim, Ruling, ruling
from bench.claims.evidence import Evidence
from bench.claims.page import write
from bench.contract import InputError
from bench.record import Paces, Record
from bench.report.wording import duration
from bench.run.executor import computing_alone
from bench.run.machine import device_name
from bench.run.store import Store
from bench.run.suite import Selection, Suite, load, selected
from bench.speed.pace import Shape, paces

ROUNDS = 15  # of timing


def chosen(numbers: Sequence[int]) -> list[Claim]:
    """The claims of these numbers, or all where there are none; `InputError` for an unknown one."""
    known = {claim.number: claim for claim in CLAIMS}
    for number in numbers:
        if number not in known:
            raise InputError(f"There is no claim {number}; they are numbered 1 to {len(known)}.")
    return [known[number] for number in sorted(set(numbers or known))]


def experiments(
    claims: Sequence[Claim], changes: Sequence[str] = (), seeds: int | None = None
) -> list[Suite]:
    """The suites that these claims need, each once, as changed."""
    selection = Selection(seeds=seeds)
    return [selected(load(f"claims/{name}", changes), selection) for name in _names(claims)]


def folder(out: Path, suite: Suite) -> Path:
    """Where an experiment's results lie."""
    return out / suite.name.removeprefix("claims/")


def time_models(claims: Sequence[Claim], out: Path, rounds: int = ROUNDS) -> None:
    """Time all that claims compare in time, in one sitting, where these need it and it is not done.

    The machine should do nothing else meanwhile.
    """
    store = Store(out)
    if not any(shapes([claim]) for claim in claims) or store.read_paces() is not None:
        return
    with computing_alone():
        timed = paces(shapes(CLAIMS), rounds, device_name("cpu"))
    store.write_paces(Paces(paces=tuple(timed)))


def shapes(claims: Sequence[Claim]) -> list[Shape]:
    """What these claims compare in time."""
    found = dict.fromkeys(one.shape for claim in claims for one in claim.quantities)
    return [shape for shape in found if shape is not None]


def evidence(out: Path) -> Evidence:
    """All that is stored of any experiment."""
    found: dict[str, list[Record]] = {}
    for name in _names(CLAIMS):
        store = Store(out / name)
        report = store.read_run()
        if report is not None:
            found[name] = store.reported(report)[0]
    timed = Store(out).read_paces()
    return Evidence(found, list(timed.paces) if timed is not None else [])


def concluded(out: Path) -> list[Ruling]:
    """Judge every claim by what is stored in a folder, and write the tables and the page of it."""
    found = evidence(out)
    rulings = [ruling(claim, found) for claim in CLAIMS]
    write(out, rulings, _how(out))
    return rulings


def _how(out: Path) -> dict[str, str]:
    """How the experiments were run, for people."""
    found = (Store(out / name).read_run() for name in _names(CLAIMS))
    runs = [run for run in found if run is not None]
    told = {
        "experiments": ", ".join(run.suite for run in runs) or "none",
        "took": duration(sum(run.seconds for run in runs)),
    }
    for fact in ("machine", "commit", "workers"):
        told[fact] = " or ".join(dict.fromkeys(str(getattr(run, fact)) for run in runs))
    return told


def _names(claims: Sequence[Claim]) -> list[str]:
    return list(dict.fromkeys(name for claim in claims for name in claim.experiments))
