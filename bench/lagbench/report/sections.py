"""The sections of a report, in order: each is declared once and rendered in HTML and Markdown.

To add a section, write a function that returns its blocks, and a `Section` in `SECTIONS`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import pandas as pd

from lagbench.record import Record, Run, Status
from lagbench.report import columns, series, wording
from lagbench.report.changes import settings
from lagbench.report.comparisons import Difference, differences
from lagbench.report.leaderboard import Leaderboard, LeaderboardRow, leaderboard
from lagbench.report.panels import Figure
from lagbench.report.statistics import HOLDS
from lagbench.report.tables import Tables
from lagbench.report.verdict import verdict
from lagbench.report.wording import MISSING, bounds, number, reach, reach_bounds

MAX_ROWS = 200
"""Rows of unsupported pairs, of failures and of differences on a page; the CSV files have all."""
MAX_REASON_LENGTH = 300


@dataclass(frozen=True)
class Report:
    """What a report is made of."""

    run: Run
    records: Sequence[Record]
    tables: Tables
    figures: Sequence[Figure]


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    kind: ClassVar = "text"
    text: str
    small: bool = False


@dataclass(frozen=True)
class Bullets:
    """A list of what is said of each task: its name, sentences, and a note in smaller type."""

    kind: ClassVar = "bullets"
    title: str
    items: Sequence[tuple[str, str, str]]


@dataclass(frozen=True)
class Facts:
    """Names and values."""

    kind: ClassVar = "facts"
    facts: dict[str, str]


@dataclass(frozen=True)
class Header:
    """Of a column of a table; group: a header above it and its neighbours of the same group."""

    label: str
    kind: Literal["number", "text", "architecture", "reason"] = "number"
    group: str = ""
    task: str | None = None


@dataclass(frozen=True)
class TableRow:
    """Cells, each a text and a detail in smaller type, and what the filter of a page knows it by.

    The first cell is the row's header. other: the second architecture, of a comparison.
    """

    cells: Sequence[tuple[str, str]]
    task: str | None = None
    architecture: str | None = None
    other: str | None = None


@dataclass(frozen=True)
class Table:
    """A table; a line divides its groups of rows."""

    kind: ClassVar = "table"
    title: str
    caption: str
    headers: Sequence[Header]
    groups: Sequence[Sequence[TableRow]]
    key: str = ""
    task: str | None = None

    @property
    def header_groups(self) -> list[tuple[str, list[Header]]]:
        """Neighbouring headers of one group together; headers without a group by themselves."""
        groups: list[tuple[str, list[Header]]] = []
        for header in self.headers:
            if header.group and groups and groups[-1][0] == header.group:
                groups[-1][1].append(header)
            else:
                groups.append((header.group, [header]))
        return groups


Block = Text | Bullets | Facts | Table | Figure


@dataclass(frozen=True)
class Section:
    """A section of a report.

    Args:
        key: its anchor.
        title: its heading, and its name in the navigation.
        blocks: the function that makes its content, in order.
        explanation: how to read it.
        shown: whether there is anything to show; None: always.
    """

    key: str
    title: str
    blocks: Callable[[Report], Sequence[Block]]
    explanation: str = ""
    shown: Callable[[Report], bool] | None = None


def conclusions(report: Report) -> list[Block]:
    """The verdict in sentences, the leaderboard, and what was found task by task."""
    said = verdict(report.tables)
    blocks: list[Block] = [Text(" ".join(said.overview))]
    if said.terms:
        blocks.append(Text(" ".join(said.terms), small=True))
    board = leaderboard(report.tables)
    if board.rows:
        blocks.append(_leaderboard_table(board, len(report.tables.summary)))
    if said.tasks:
        items = [
            (task.task, " ".join(task.sentences), str(task.order or "")) for task in said.tasks
        ]
        blocks.append(Bullets("Task by task", items))
    return blocks


def _leaderboard_table(board: Leaderboard, cells: int) -> Table:
    headers = [Header("architecture", "architecture")]
    if board.ranked:
        headers += [Header(label, group="overall") for label in ("rank", "score")]
    for task, length in board.tasks.items():
        headers += [
            Header(label, "number", task, task) for label in (f"score at {length}", "reach")
        ]
    overall = [column.overall for column in board.columns if column.overall is not None]
    headers += [Header(shown.label) for shown in overall]
    caption = (
        "by reach and then by score. Score: on the test split, 0 is chance, 1 the optimum. Reach: "
        f"the length up to which the score is {HOLDS} or more, interpolated between the tested "
        "lengths. Below each is its 95% bootstrap interval over the seeds."
    )
    if board.ranked:
        caption += (
            f" Overall: over the {board.ranked.blocks} tasks and lengths that all ranked "
            "architectures have; ranks less than "
            f"{number(board.ranked.critical_difference, 2)} apart, which share a letter, are not "
            "distinguished (Nemenyi)."
        )
    for explanation in filter(None, dict.fromkeys(shown.explanation for shown in overall)):
        caption += f" {explanation}"
    if board.disturbed:
        caption += f" {board.disturbed} of {cells} speeds were disturbed by other processes and are"
        caption += " left out."
    rows = [_leaderboard_row(board, row) for row in board.rows]
    return Table("Leaderboard", caption, headers, [rows], key="leaderboard")


def _leaderboard_row(board: Leaderboard, row: LeaderboardRow) -> TableRow:
    cells = [(row.architecture, "")]
    if board.ranked:
        missing = [(MISSING, "")] * 2
        cells += missing if row.rank is None else [
            (number(row.rank.rank, 2), row.rank.clique), _score_cell(row.rank)
        ]  # fmt: skip
    for task in board.tasks:
        scored, horizon = row.scores.get(task), row.horizons.get(task)
        cells.append((MISSING, "") if scored is None else _score_cell(scored))
        bounded = (MISSING, "") if horizon is None else (reach(horizon), reach_bounds(horizon))
        cells.append(bounded)
    for column in board.columns:
        if column.overall is not None:
            cells.append((column.overall.text(row.overall.get(column.name, ())), ""))
    return TableRow(cells, architecture=row.architecture)


def _score_cell(row: Any) -> tuple[str, str]:
    return number(row.score), bounds(row.score_low, row.score_high, 3)


def figures(report: Report) -> Sequence[Block]:
    """All figures."""
    return report.figures or [Text("There is nothing to draw.")]


def scores(report: Report) -> list[Block]:
    """The columns of `summary.csv` that have a label, of what was tried; a table for each task."""
    summary = report.tables.summary
    tried = summary[summary[Status.UNSUPPORTED] < summary[[*Status]].sum(axis=1)]
    blocks: list[Block] = []
    if len(summary) > series.MAX_LINES:
        blocks.append(Text(
            f"There are {len(summary):,} combinations of architecture, task and length: of tables "
            f"and lines with more than {series.MAX_LINES:,}, only each task's longest length is "
            "shown; the CSV files have all.", small=True,
        ))  # fmt: skip
    if len(tried) > series.MAX_LINES:
        tried = series.longest_lengths(tried)
    by_score = tried.sort_values(["score", "architecture"], ascending=[False, True])
    tables = [_score_table(str(task), rows) for task, rows in by_score.groupby("task")]
    return [*blocks, *tables] if tables else [Text("No trial was run.")]


def _score_table(task: str, rows: pd.DataFrame) -> Table:
    shown = [column for column in columns.score_columns() if column.header(rows)]
    headers = [
        Header(c.header(rows), "architecture" if c.name == "architecture" else "number")
        for c in shown
    ]
    groups = [
        [
            TableRow(
                [(c.text(row), c.details(row)) for c in shown], architecture=str(row.architecture)
            )
            for row in values.itertuples(index=False)
        ]
        for _, values in rows.groupby("length")
    ]
    return Table(task, "", headers, groups, task=task)


def difference_table(report: Report) -> list[Block]:
    """The differences of scores."""
    rows = differences(report.tables.comparisons)
    headers = [
        Header("task", "text"), Header("better on average", "architecture"),
        Header("than", "architecture"), Header("over length", "text"), Header("seeds"),
        Header("difference"), Header("wins"), Header("p"), Header("detectable"),
        Header("verdict", "text"),
    ]  # fmt: skip
    shown = [_difference_row(difference) for difference in rows[:MAX_ROWS]]
    caption = f"settled ones first{_limit(len(rows), 'comparisons.csv')}."
    return [Table("Differences of score", caption, headers, [shown])]


def _difference_row(row: Difference) -> TableRow:
    cells = [
        *_plain_cells(row.task, row.better, row.worse, row.over, row.seeds),
        (number(row.difference), bounds(row.low, row.high, 3)),
        *_plain_cells(f"{number(100 * row.wins, 0)}%", number(row.p)),
        *_plain_cells(wording.detectable(row.detectable)),
        *_plain_cells("settled" if row.settled else "may be luck"),
    ]
    return TableRow(cells, row.task, row.better, row.worse)


def _plain_cells(*texts: object) -> list[tuple[str, str]]:
    return [(str(text), "") for text in texts]


def _limit(count: int, file: str) -> str:
    return f": the first {MAX_ROWS} of {count}; {file} has all" if count > MAX_ROWS else ""


def endings(report: Report) -> list[Block]:
    """What is unsupported, and what failed, with reasons."""
    unsupported, failed = unsupported_pairs(report.tables), failures(report.tables)
    blocks: list[Block] = []
    if len(unsupported):
        blocks.append(_reason_table(
            "Unsupported", "pairs of architecture and task that cannot be run",
            unsupported, "unsupported.csv",
            {"architecture": "architecture", "task": "task", "length": "lengths",
             "reason": "reason"},
        ))  # fmt: skip
    else:
        blocks.append(Text("No pair of architecture and task is unsupported."))
    if len(failed):
        blocks.append(_reason_table(
            "Diverged, stopped or failed", "by reason", failed, "trials.csv",
            {"architecture": "architecture", "task": "task", "length": "length",
             "status": "status", "trials": "trials", "seed": "seeds",
             "learning_rate": "learning rates", "reason": "reason"},
        ))  # fmt: skip
    else:
        blocks.append(Text("Nothing diverged, ran out of time or memory, or failed."))
    return blocks


def _reason_table(
    title: str, caption: str, rows: pd.DataFrame, file: str, labels: dict[str, str]
) -> Table:
    """labels: header by column of `rows`."""
    kinds: dict[str, Any] = {"architecture": "architecture", "reason": "reason"}
    numbers = ("trials", "seed", "learning_rate")
    headers = [
        Header(label, kinds.get(name, "number" if name in numbers else "text"))
        for name, label in labels.items()
    ]
    shown = [
        TableRow(
            _plain_cells(*(getattr(row, name) for name in labels)),
            str(row.task), str(row.architecture),
        )
        for row in rows.head(MAX_ROWS).itertuples()
    ]  # fmt: skip
    return Table(title, f"{caption}{_limit(len(rows), file)}.", headers, [shown])


def unsupported_pairs(tables: Tables) -> pd.DataFrame:
    """A row for each architecture, task and reason, with the lengths it holds for."""
    return _joined(tables.unsupported, ["architecture", "task", "reason"], ["length"])


def failures(tables: Tables) -> pd.DataFrame:
    """A row for each way in which an architecture failed on a task at a length."""
    failed = tables.trials[~tables.trials["status"].isin([Status.OK, Status.UNSUPPORTED])]
    keys = ["architecture", "task", "length", "status", "reason"]
    rows = _joined(failed, keys, ["seed", "learning_rate"])
    return rows.assign(status=rows["status"].str.replace("_", " "))


def _joined(rows: pd.DataFrame, keys: list[str], lists: list[str]) -> pd.DataFrame:
    """One row for each of `keys`, the values of each column of `lists` in one text."""
    known = rows.assign(reason=rows["reason"].fillna(MISSING).str.slice(0, MAX_REASON_LENGTH))
    texts = {column: (column, _text) for column in lists}
    return known.groupby(keys).agg(trials=("reason", "size"), **texts).reset_index()


def _text(values: pd.Series) -> str:
    return ", ".join(f"{value:g}" for value in sorted(values.dropna().unique()))


def circumstances(report: Report) -> list[Block]:
    """Commands, machine, versions and settings."""
    run = report.run
    facts = {
        "run again": run.command,
        "report again": "lagbench report, with the folder of this page",
        "started": run.started,
        "took": f"{wording.duration(run.seconds)} with {wording.workers(run.workers)}",
        "machine": run.machine,
        "commit": run.commit or "unknown",
        "versions": ", ".join(
            f"{name} {version}" for name, version in sorted(run.versions.items())
        ),
    }
    for kind in ("budget", "recipe"):
        values = settings(report.records, kind)
        if values:
            facts[kind] = ", ".join(f"{n.replace('_', ' ')} {value}" for n, value in values.items())
    return [Facts(facts)]


SECTIONS: tuple[Section, ...] = (
    Section("verdict", "Verdict", conclusions),
    Section("figures", "Figures", figures),
    Section(
        "scores", "Scores", scores,
        "Test split, at the learning rate selected on validation: interquartile means over the "
        "seeds, below four seeds plain means. Beside a score is its 95% percentile bootstrap "
        "interval over the seeds, which for two or three seeds is the lowest and the highest. "
        "Steps to solve: by how many steps half of the seeds had solved the task, and how many "
        "solved it at all. Trials: all seeds and learning rates.",
    ),
    Section(
        "differences", "Who is better than whom", difference_table,
        "Runs that share a seed saw the same examples, so their scores are compared in pairs, over "
        "all lengths of a task. p: permutation test on the signs of the differences, Holm's "
        "correction over the pairs of one task. Detectable: the smallest difference that so many "
        "seeds would detect four times in five. comparisons.csv has every length.",
        lambda report: len(report.tables.comparisons) > 0,
    ),
    Section("endings", "Unsupported and failed", endings),
    Section("run", "How it was run", circumstances),
)  # fmt: skip


def shown_sections(report: Report) -> list[Section]:
    """The sections that have something to show."""
    return [section for section in SECTIONS if section.shown is None or section.shown(report)]
