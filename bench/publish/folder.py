"""The folder of published results: what is added to it, and what is derived in it."""

from collections.abc import Sequence
from pathlib import Path

from bench.contract import InputError
from bench.publish import records
from bench.publish.leaderboard import leaderboard
from bench.publish.literature import against_literature
from bench.publish.records import Published
from bench.report.page import markdown, write_report
from bench.run.store import Store, accessing, write_whole

SMALL = 2 * 2**20  # bytes; a larger report.html is not kept


def add(run: Path, results: Path) -> Path:
    """Store the records of a finished run with those of its suite; returns the file of them.

    Raises `InputError` where there is no run, or it is not finished.
    """
    store = Store(run)
    found = store.read_run()
    if found is None or not found.reported:
        raise InputError(f"There is no finished run in {run}: go on with it, or run it first.")
    own, speeds = store.reported(found)
    new = Published((found,), tuple(own), tuple(speeds))
    path = results / found.suite / records.NAME
    records.write(path, records.added(records.read(path), new) if path.is_file() else new)
    return path


def regenerate(results: Path) -> list[Path]:
    """Derive every table, figure and page of the folder again; returns the suites' folders.

    Nothing but the stored records is read, so the same records give the same bytes.
    """
    paths = sorted(results.rglob(records.NAME))
    if not paths:
        raise InputError(f"There are no published results in {results}: no {records.NAME}.")
    suites = {path.parent.relative_to(results).as_posix(): records.read(path) for path in paths}
    for path, published in zip(paths, suites.values(), strict=True):
        with accessing(path.parent):
            _report(path.parent, published)
    page = markdown(
        "results.md.j2",
        {
            "suites": suites,
            "pages": {name: (results / name / "report.html").is_file() for name in suites},
            "leaderboard": leaderboard(suites),
            "comparisons": against_literature(suites),
        },
    )
    write_whole(results / "README.md", page)
    return [path.parent for path in paths]


def _report(folder: Path, published: Published) -> None:
    write_report(folder, published.run, published.records, published.throughputs)
    page = folder / "report.html"
    if page.stat().st_size > SMALL:
        page.unlink()


def publish(runs: Sequence[Path], results: Path) -> list[Path]:
    """Add runs, then derive everything; returns the suites' folders."""
    for run in runs:
        add(run, results)
    return regenerate(results)
