"""The pages: self-contained, escaped, the same every time, and true whatever became of a run."""

import json
import re
from html.parser import HTMLParser
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from lagbench.record import Record, Run, Status
from lagbench.report import series
from lagbench.report.page import write_report

HOSTILE = '<script>alert("x")</script><img src=x onerror=alert(1)>|*b*'


class Page(HTMLParser):
    """Elements with their attributes, the text of each script, and all other text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data: str) -> None:
        if self.cdata_elem == "script":
            self.scripts[-1] += data
        elif self.cdata_elem is None:
            self.text += data

    def count(self, tag: str) -> int:
        return sum(result == tag for result, _ in self.elements)


def written(out: Path, run: Run, records: list[Record], throughputs: Any = ()) -> Page:
    write_report(out, run, records, list(throughputs))
    return Page((out / "report.html").read_text())


@pytest.fixture
def hostile(record: Any) -> list[Record]:
    names = {"architecture": HOSTILE, "task": HOSTILE}
    failed = {"status": Status.FAILED, "selected": False, "reason": f"{HOSTILE}\n{HOSTILE}"}
    unsupported = {"status": Status.UNSUPPORTED, "selected": False, "reason": HOSTILE}
    return [
        record(**names, score=0.9, recipe={HOSTILE: HOSTILE}),
        record(**names, length=32, **failed),
        record(**names, length=64, **unsupported),
    ]


def test_the_files_of_a_report(tmp_path: Path, run: Run, grid: list[Record]) -> None:
    _, paths = write_report(tmp_path, run, grid, [])
    tables = {
        *("trials", "curves", "probes", "summary", "horizons"),
        *("comparisons", "ranks", "lr_windows", "progress", "equal_cost", "unsupported"),
    }
    assert {path.name for path in paths} == {
        *(f"{table}.csv" for table in tables),
        "report.md",
        "report.html",
    }
    markdown = (tmp_path / "report.md").read_text()
    pictures = re.findall(r"!\[.*\]\((.*)\)", markdown)
    assert pictures
    for picture in pictures:
        assert (tmp_path / picture).read_text().startswith("<svg")


def test_the_page_asks_nothing_of_a_network(tmp_path: Path, run: Run, grid: list[Record]) -> None:
    page = written(tmp_path, run, grid)
    for tag, attributes in page.elements:
        for name in ("src", "href", "action", "data"):
            assert re.match("(#|data:)", attributes.get(name) or "#"), (tag, attributes)
    policies = [item["content"] or "" for _, item in page.elements if "http-equiv" in item]
    assert len(policies) == 1
    assert policies[0].startswith("default-src 'none';")
    assert "http" not in policies[0]
    text = (tmp_path / "report.html").read_text()
    assert not re.search(r"@import|url\((?!data:)", text[: text.index("</style>")])
    assert len(text) < 3_000_000


def test_every_figure_carries_its_own_data(tmp_path: Path, run: Run, grid: list[Record]) -> None:
    page = written(tmp_path, run, grid)
    specifications = [json.loads(script) for script in page.scripts if script.startswith("{")]
    assert len(specifications) == page.count("figure") == len(list(tmp_path.glob("figures/*")))
    for figure in specifications:
        assert figure["rows"]
        assert all(len(row) == len(figure["columns"]) for row in figure["rows"])
        assert "datasets" not in figure["specification"]
    assert "window.vegaEmbed" in page.scripts[-2]  # the drawing program, once
    assert "fitted(" in page.scripts[-1]


def test_the_scores_are_those_of_the_summary(tmp_path: Path, run: Run, grid: list[Record]) -> None:
    page = written(tmp_path, run, grid)
    markdown = (tmp_path / "report.md").read_text()
    for row in pd.read_csv(tmp_path / "summary.csv").itertuples():
        score = f"{row.score:.3f} ({row.score_low:.3f} to {row.score_high:.3f})"
        assert f"| {row.architecture} | {row.length} | {row.seeds} | {score} |" in markdown
        assert f"{row.score:.3f}{row.score_low:.3f} to {row.score_high:.3f}" in page.text


def test_tables_have_captions_and_headers(tmp_path: Path, run: Run, grid: list[Record]) -> None:
    page = written(tmp_path, run, grid)
    assert (
        page.count("table") == page.count("caption") == 4
    )  # leaderboard, scores by task, differences
    scopes = [attributes.get("scope") for tag, attributes in page.elements if tag == "th"]
    assert set(scopes) == {"col", "colgroup", "row"}


def test_markup_in_names_and_reasons_is_text(
    tmp_path: Path, run: Run, hostile: list[Record], throughput: Any
) -> None:
    hostile_run = run.model_copy(update={"description": HOSTILE, "command": HOSTILE})
    speeds = [throughput(architecture=HOSTILE, task=HOSTILE)]
    page = written(tmp_path, hostile_run, hostile, speeds)
    assert page.count("img") == 0
    assert page.count("script") == page.count("figure") + 2
    assert page.text.count(HOSTILE) > 10
    for path in [tmp_path / "report.md", *tmp_path.glob("figures/*")]:
        assert "<script>" not in path.read_text()
        assert "<img" not in path.read_text()


def test_names_do_not_break_markdown_tables(
    tmp_path: Path, run: Run, hostile: list[Record]
) -> None:
    write_report(tmp_path, run, hostile, [])
    lines = (tmp_path / "report.md").read_text().splitlines()
    headers = [index for index, line in enumerate(lines) if line.startswith("|--")]
    assert len(headers) == 5
    for header in headers:
        width = len(re.findall(r"\|", lines[header]))
        for line in lines[header - 1 :]:
            if not line.startswith("|"):
                break
            assert len(re.findall(r"(?<!\\)\|", line)) == width


def test_only_the_cells_of_the_run_are_reported(tmp_path: Path, run: Run, record: Any) -> None:
    records = [record(score=0.9), record(score=0.1, cell="of-an-older-recipe", seed=1)]
    write_report(tmp_path, run, records, [])
    assert pd.read_csv(tmp_path / "trials.csv")["score"].tolist() == [0.9]


def test_the_same_records_give_the_same_bytes(tmp_path: Path, run: Run, grid: list[Record]) -> None:
    for name, records in (("one", grid), ("two", grid[::-1])):
        (tmp_path / name).mkdir()
        write_report(tmp_path / name, run, records, [])
    for path in (tmp_path / "one").rglob("*.*"):
        other = tmp_path / "two" / path.relative_to(tmp_path / "one")
        assert path.read_bytes() == other.read_bytes(), path.name


def test_a_crowded_report_says_what_it_leaves_out(
    tmp_path: Path, run: Run, grid: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(series, "MAX_LINES", 23)
    said = "There are 24 combinations of architecture, task and length"
    assert said in written(tmp_path, run, grid).text
    assert said in (tmp_path / "report.md").read_text()
    assert len(pd.read_csv(tmp_path / "summary.csv")) == 24


def test_figures_of_an_earlier_report_go(tmp_path: Path, run: Run, grid: list[Record]) -> None:
    write_report(tmp_path, run, grid, [])
    assert (tmp_path / "figures" / "learning_recall.svg").exists()
    write_report(tmp_path, run, [record for record in grid if record.task == "adding"], [])
    assert not (tmp_path / "figures" / "learning_recall.svg").exists()


def test_a_run_without_trials(tmp_path: Path, run: Run) -> None:
    page = written(tmp_path, run, [])
    assert "No trial has been recorded." in page.text
    assert "There is nothing to draw." in page.text
    assert page.count("script") == 1  # without the drawing program
    assert "No trial has been recorded." in (tmp_path / "report.md").read_text()


@pytest.mark.parametrize("status", [item for item in Status if item is not Status.OK])
def test_a_run_in_which_nothing_was_scored(
    tmp_path: Path, run: Run, record: Any, status: Status
) -> None:
    page = written(tmp_path, run, [record(status=status, selected=False, reason="It broke.")])
    assert "No trial was scored" in page.text
    assert "It broke." in page.text
    assert not [item for _, item in page.elements if item.get("id") == "leaderboard"]
    assert "nan" not in page.text.lower().split()


def test_a_single_trial(tmp_path: Path, run: Run, record: Any, throughput: Any) -> None:
    page = written(tmp_path, run, [record(score=0.9)], [throughput()])
    assert "There is one seed each" in page.text
    assert "0.900≥ 1620,0001×1×" in page.text  # score, reach, parameters, speeds


@pytest.mark.slow
def test_thousands_of_trials(tmp_path: Path, run: Run, record: Any, grid: list[Record]) -> None:
    names = [f"layer_{index}" for index in range(25)]
    trials = product(names, ("recall", "copy", "sort", "adding"), range(5), range(5), (0.01, 0.1))
    records = [
        record(
            architecture=name,
            task=task,
            length=16 * 2**doubled,
            seed=seed,
            learning_rate=rate,
            selected=rate == 0.01,
            validation_score=score,
            score=score if rate == 0.01 else None,
            curve=grid[0].curve,
            probes=grid[0].probes,
        )
        for name, task, doubled, seed, rate in trials
        for score in [1 / (1 + doubled + 0.1 * seed + 0.01 * names.index(name))]
    ]
    page = written(tmp_path, run, records)
    assert "5,000 trials of 25 architectures on 4 tasks: 5,000 finished." in page.text
    assert (tmp_path / "report.html").stat().st_size < 3_000_000
    summary = pd.read_csv(tmp_path / "summary.csv")
    assert (len(summary), summary["ok"].sum()) == (500, 5000)
    markdown = (tmp_path / "report.md").read_text().replace("\\_", "_")
    for row in summary.itertuples():
        cells = f"| {row.architecture} | {row.length} | {row.seeds} | {row.score:.3f} ("
        assert cells in markdown
