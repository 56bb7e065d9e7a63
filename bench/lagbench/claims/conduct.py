"""Conducting the experiments, and judging all claims by what they stored.

Every experiment is a suite of its own, `claims/NAME`, run into a folder of its own, `OUT/NAME`: an
ordinary run with its own report, which `lagbench run claims/NAME` would do likewise. So two of them
may try the same architecture on the same task by other recipes, and no table mixes them.
`OUT/step_times.json` holds what was timed.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from lagbench.claims import CLAIMS
from lagbench.claims.claim import Claim, Ruling, ruling
from lagbench.claims.evidence import Evidence
from lagbench.claims.page import write
from lagbench.contract import UserError
from lagbench.cost.step_time import Shape, step_times
from lagbench.cost.timing import BackgroundLoad
from lagbench.record import Record, Run, StepTimes
from lagbench.report.wording import duration, number
from lagbench.run.executor import single_thread
from lagbench.run.store import Store
from lagbench.spec.suite import Selection, Suite, cells, load, selected

ROUNDS = 15  # of timing

Ran = dict[str, tuple[Run, Sequence[Record]]]
"""By experiment: its run, and the records of it."""


def chosen(numbers: Sequence[int]) -> list[Claim]:
    """The claims of these numbers, or all where there are none; `UserError` for an unknown one."""
    known = {claim.number: claim for claim in CLAIMS}
    for wanted in numbers:
        if wanted not in known:
            raise UserError(f"There is no claim {wanted}; they are numbered 1 to {len(known)}.")
    return [known[number] for number in sorted(set(numbers or known))]


def experiments(
    claims: Sequence[Claim], changes: Sequence[str] = (), seeds: int | None = None
) -> list[Suite]:
    """The suites that these claims need, each once, as changed.

    Raises `UserError` where one of them does not hold together, so that nothing runs in vain.
    """
    selection = Selection(seeds=seeds)
    suites = [selected(load(f"claims/{name}", changes), selection) for name in _names(claims)]
    for suite in suites:
        cells(suite)
    return suites


def conducted(out: Path) -> Path:
    """The folder, if any experiment was begun in it; `UserError` otherwise."""
    if not any((out / name / "run.json").is_file() for name in _names(CLAIMS)):
        folders = f"{out / CLAIMS[0].experiments[0]} and the like"
        raise UserError(f"There is no experiment of a claim in {out}: those lie in {folders}.")
    return out


def folder(out: Path, suite: Suite) -> Path:
    """Where an experiment's results lie."""
    return out / suite.name.removeprefix("claims/")


def time_models(claims: Sequence[Claim], out: Path, rounds: int = ROUNDS) -> None:
    """Time all that claims compare in time, in one sitting, where these need it and it is not done.

    The machine should do nothing else meanwhile.
    """
    store = Store(out)
    if not any(shapes([claim]) for claim in claims) or store.read_step_times() is not None:
        return
    others = BackgroundLoad()
    with single_thread():
        timed = step_times(shapes(CLAIMS), rounds)
    store.write_step_times(StepTimes(step_times=tuple(timed), other_cores=others.cores()))


def shapes(claims: Sequence[Claim]) -> list[Shape]:
    """What these claims compare in time."""
    needed = dict.fromkeys(quantity.shape for claim in claims for quantity in claim.quantities)
    return [shape for shape in needed if shape is not None]


def concluded(out: Path, warn: Callable[[str], None] = lambda _: None) -> list[Ruling]:
    """Judge every claim by what is stored in a folder, and write the tables and the page of it.

    warn: told, in a sentence, of every file that cannot be read.
    """
    return judged(out, *stored(out, warn))


def stored(out: Path, warn: Callable[[str], None] = lambda _: None) -> tuple[Ran, StepTimes | None]:
    """All that is stored of any experiment, and what was timed."""
    ran: Ran = {}
    for name in _names(CLAIMS):
        store = Store(out / name, warn)
        run = store.read_run()
        if run is not None:
            ran[name] = run, store.reported(run)[0]
    return ran, Store(out, warn).read_step_times()


def judged(out: Path, ran: Ran, timed: StepTimes | None, linked: bool = True) -> list[Ruling]:
    """Judge every claim by these, and write the tables and the page of it.

    linked: whether the experiments' own reports lie there.
    """
    evidence_ = evidence(ran, timed)
    rulings = [ruling(claim, evidence_) for claim in CLAIMS]
    write(out, rulings, _how(ran, timed), linked)
    return rulings


def evidence(ran: Ran, timed: StepTimes | None) -> Evidence:
    """What claims are judged by."""
    records = {name: list(rows) for name, (_, rows) in ran.items()}
    return Evidence(records, list(timed.step_times) if timed is not None else [])


def _how(ran: Ran, timed: StepTimes | None) -> dict[str, str]:
    """How the experiments were run, for people."""
    runs = [run for run, _ in ran.values()]
    rows = {
        "experiments": ", ".join(run.suite for run in runs) or "none",
        "took": duration(sum(run.seconds for run in runs)),
    }
    for fact in ("machine", "commit", "workers"):
        rows[fact] = " or ".join(dict.fromkeys(str(getattr(run, fact)) for run in runs))
    if timed is not None:
        rows["cores that others kept busy during timings"] = number(timed.other_cores, 1)
    return rows


def _names(claims: Sequence[Claim]) -> list[str]:
    return list(dict.fromkeys(name for claim in claims for name in claim.experiments))
