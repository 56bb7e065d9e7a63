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
from bench.contract import InputError
from bench.record import Paces, Record
from bench.run.executor import computing_alone
from bench.run.machine import device_name
from bench.run.store import Store
from bench.run.suite import Selection, Suite, load, selected
from bench.speed.pace import Shape, paces

ROUNDS = 15  # of timing
CORE_SECONDS = {  # of one core, all seeds, as measured on the machine where they were made
    "memory": 0,
}


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
    names = dict.fromkeys(name for claim in claims for name in claim.experiments)
    return [selected(load(f"claims/{name}", changes), Selection(seeds=seeds)) for name in names]


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
    for name in dict.fromkeys(name for claim in CLAIMS for name in claim.experiments):
        store = Store(out / name)
        report = store.read_run()
        if report is not None:
            found[name] = store.reported(report)[0]
    timed = Store(out).read_paces()
    return Evidence(found, list(timed.paces) if timed is not None else [])


def rulings(out: Path) -> list[Ruling]:
    """Every claim, judged by what is stored in a folder."""
    found = evidence(out)
    return [ruling(claim, found) for claim in CLAIMS]
