"""The folder of published results: what is added to it, and what is derived in it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from lagbench.claims import conduct
from lagbench.claims.claim import Ruling
from lagbench.contract import UserError
from lagbench.publish import records
from lagbench.publish.literature import against_literature
from lagbench.publish.ranking import rank_architectures
from lagbench.publish.records import Published
from lagbench.report.page import markdown, write_report
from lagbench.run.store import Store, atomic_write, os_errors_as_user_errors

MAX_PAGE_BYTES = 2 * 2**20  # bytes; a larger report.html is not kept
CLAIMS = "claims"  # the folder of the claims, an experiment in each folder of it


def add(run: Path, results: Path) -> Path:
    """Store the records of a finished run with those of its suite; returns the file of them.

    Raises `UserError` where there is no run, or it is not finished.
    """
    store = Store(run)
    finished = store.read_run()
    if finished is None or not finished.reported:
        raise UserError(f"There is no finished run in {run}: go on with it, or run it first.")
    reported, speeds = store.reported(finished)
    new = Published((finished,), tuple(reported), tuple(speeds))
    path = results / finished.suite / records.NAME
    records.write(path, records.added(records.read(path), new) if path.is_file() else new)
    return path


def regenerate(results: Path) -> list[Path]:
    """Derive every table, figure and page of the folder again; returns the suites' folders.

    Nothing but the stored records is read, so the same records give the same bytes.
    """
    paths = sorted(results.rglob(records.NAME))
    if not paths:
        raise UserError(f"There are no published results in {results}: no {records.NAME}.")
    stored = {path.parent.relative_to(results).as_posix(): records.read(path) for path in paths}
    suites = {
        name: published for name, published in stored.items() if not name.startswith(f"{CLAIMS}/")
    }
    for name, published in suites.items():
        with os_errors_as_user_errors(results / name):
            _report(results / name, published)
    experiments = {name.removeprefix(f"{CLAIMS}/"): stored[name] for name in {*stored} - {*suites}}
    rulings = _judged(results / CLAIMS, experiments) if experiments else []
    page = markdown(
        "results.md.j2",
        {
            "suites": suites,
            "rulings": rulings,
            "speed": _speed(results / "speed"),
            "pages": {name: (results / name / "report.html").is_file() for name in suites},
            "leaderboard": rank_architectures(suites),
            "comparisons": against_literature(suites),
        },
    )
    atomic_write(results / "README.md", page)
    return [results / name for name in (*suites, *([CLAIMS] if rulings else []))]


def _report(folder: Path, published: Published) -> None:
    write_report(folder, published.run, published.records, published.throughputs)
    page = folder / "report.html"
    if page.stat().st_size > MAX_PAGE_BYTES:
        page.unlink()


def _judged(folder: Path, experiments: Mapping[str, Published]) -> list[Ruling]:
    """Judge the claims by their experiments, which have no page of their own, and write theirs."""
    ran: conduct.Ran = {
        name: (published_suite.run, published_suite.records)
        for name, published_suite in sorted(experiments.items())
    }
    with os_errors_as_user_errors(folder):
        return conduct.judged(folder, ran, Store(folder).read_step_times(), linked=False)


def _speed(folder: Path) -> dict[str, Any]:
    """What `nox -s speed` has written: all cases but those of sampling, and how these stand."""
    path = folder / "speed.csv"
    if not path.is_file():
        return {}
    with os_errors_as_user_errors(path, "read"):
        table = pd.read_csv(path)
        machine = (folder / "machine.txt").read_text(encoding="utf-8").splitlines()
    of_sampling = table["case"].str.startswith("sampling")
    return {
        "machine": machine,
        "cases": table[~of_sampling].to_dict("records"),
        "sampling": table[of_sampling].sort_values("ratio").to_dict("records"),
    }


def publish(runs: Sequence[Path], results: Path) -> list[Path]:
    """Add runs, and those of claims with what was timed for them; then derive everything.

    Returns the suites' folders.
    """
    for run in runs:
        timed = Store(run).read_step_times()
        if timed is not None:
            Store(results / CLAIMS).write_step_times(timed)
        for part in _parts(run):
            add(part, results)
    return regenerate(results)


def _parts(run: Path) -> list[Path]:
    """The run in a folder; of a folder of claims, those of all their experiments."""
    if (run / "run.json").is_file():
        return [run]
    return sorted(path.parent for path in run.glob("*/run.json")) or [run]
