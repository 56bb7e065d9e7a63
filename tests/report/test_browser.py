"""The page in a browser: it draws, filters and tells the tables' numbers, and asks for nothing."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from scipy.stats import gmean

from lagbench.record import Record, Run
from lagbench.report.page import write_report
from lagbench.run.config import RunConfig
from lagbench.run.executors.local import Inline
from lagbench.run.runner import Watcher, run
from lagbench.spec.suite import load
from lagbench.tracking import Tracking
from tests.report.browser import DRAWN, Page, chromium, executable

pytestmark = pytest.mark.skipif(
    executable() is None, reason="no Chromium on the path: apt-get install chromium"
)

DESKTOP, PHONE = 1200, 390
MARKS = """[...document.querySelectorAll("figure:not([hidden])")].map((figure) => [
  figure.id,
  [...figure.querySelectorAll(".chart .role-mark :is(path, text)")].filter((mark) => {
    const { width, height } = mark.getBoundingClientRect();
    return width > 0 || height > 0;
  }).length,
])"""
BOARD = """[...document.querySelectorAll("#leaderboard tbody tr")].map((row) =>
  [...row.children].map((cell) => cell.innerText.trim()))"""
NAMED = """[...document.querySelectorAll("#leaderboard tbody tr, figure .role-legend-label text")]
  .filter((each) => each.checkVisibility())
  .map((each) => each.dataset.architecture ?? each.textContent)"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    program = executable()
    assert program is not None
    with chromium(program, tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a real run."""
    out = tmp_path_factory.mktemp("a run") / "out"
    suite = load(str(Path(__file__).parents[1] / "suites" / "tiny.toml"))
    run(
        RunConfig(suite=suite, out=out, executor=Inline(), tracking=Tracking("disabled")), Watcher()
    )
    return out


@pytest.fixture
def page(browser: Page, folder: Path) -> Page:
    browser.open(folder / "report.html", DESKTOP)
    return browser


def check(page: Page, kind: str, name: str) -> None:
    """Click on a box of the filter, and wait for the charts."""
    page.tell(f"document.querySelector('[name={kind}][value={name}]').click()")
    page.tell(DRAWN)


def test_it_asks_for_nothing_and_complains_of_nothing(page: Page, folder: Path) -> None:
    addresses = [url for url in page.requested() if not url.startswith("data:")]
    assert addresses == [(folder / "report.html").as_uri()]
    assert page.complaints() == []


@pytest.mark.parametrize("width", [DESKTOP, PHONE])
def test_every_chart_has_marks_and_fits(page: Page, folder: Path, width: int) -> None:
    page.open(folder / "report.html", width)
    marks = dict(page.tell(MARKS))
    assert len(marks) == len(list(folder.glob("figures/*.svg"))) > 5
    assert all(count >= 1 for count in marks.values()), marks
    assert page.tell("document.documentElement.scrollWidth") <= width
    wide = "[...document.querySelectorAll('.chart')].filter(c => c.scrollWidth > c.clientWidth)"
    assert page.tell(f"{wide}.length") == 0


def test_charts_are_drawn_anew_where_the_window_changes(page: Page) -> None:
    def widest() -> float:
        widths = "[...document.querySelectorAll('.chart svg')].map(s => s.clientWidth)"
        return float(page.tell(f"Math.max(...{widths})"))

    assert widest() > PHONE
    page.resize(PHONE)
    page.tell("new Promise((done) => setTimeout(done, 300))")  # the page waits for the last change
    page.tell(DRAWN)
    assert widest() <= PHONE


def test_every_number_of_the_leaderboard_is_one_of_the_tables(page: Page, folder: Path) -> None:
    summary, horizons, ranks = (
        pd.read_csv(folder / f"{name}.csv") for name in ("summary", "horizons", "ranks")
    )
    scored = summary[summary["score"].notna()]
    board = {row[0]: row[1:] for row in page.tell(BOARD)}
    assert set(board) == set(scored["architecture"])
    for architecture, cells in board.items():
        subset, reached = (
            frame[frame["architecture"] == architecture] for frame in (scored, horizons)
        )
        wanted = [*rank_told(ranks, architecture)]
        for task, length in (("copy", 3), ("recall", 8)):
            at_end = subset[(subset["task"] == task) & (subset["length"] == length)]
            wanted += [text(at_end, score_told), text(reached[reached["task"] == task], reach_told)]
        wanted.append(told_range(subset["parameters"].astype(int), "{:,}".format))
        undisturbed = subset[subset["undisturbed"] != False]  # noqa: E712
        speeds = [undisturbed[f"{work}_relative"].dropna() for work in ("train", "inference")]
        wanted += [f"{rounded(gmean(values))}×" if len(values) else "–" for values in speeds]
        wanted.append(told_range(subset["peak_memory_bytes"] / 1000, "{:.3g}".format))
        assert [cell.replace(" kB", "") for cell in cells] == wanted


def text(rows: pd.DataFrame, words: Callable[[Any], str]) -> str:
    """The one row in words, or that there is none."""
    return words(rows.iloc[0]) if len(rows) else "–"


def rank_told(ranks: pd.DataFrame, architecture: str) -> list[str]:
    row = ranks[ranks["architecture"] == architecture].iloc[0]
    if not row["blocks"]:
        return ["–", "–"]
    return [f"{row['rank']:.2f}\n{row['clique']}", score_told(row)]


def score_told(row: Any) -> str:
    return f"{row['score']:z.3f}\n{row['score_low']:z.3f} to {row['score_high']:z.3f}"


def reach_told(row: Any) -> str:
    low, high, shortest, longest = (row[name] for name in ("low", "high", "shortest", "longest"))
    sign = {"at least": "≥ ", "below": "< ", "no": ""}[row["censored"]]
    first = f"≤ {low:g}" if low == shortest else f"{low:.3g}"
    last = f"≥ {high:g}" if high == longest else f"{high:.3g}"
    bounds = last if low == longest else first if high == shortest else f"{first} to {last}"
    reached = f"{sign}{row['horizon']:.3g}"
    return reached if shortest == longest else f"{reached}\n{bounds}"


def rounded(value: float) -> str:
    return f"{float(f'{value:.2g}'):g}"


def told_range(values: pd.Series, words: Callable[[Any], str]) -> str:
    return " to ".join(dict.fromkeys([words(values.min()), words(values.max())]))


def test_the_filter_leaves_an_architecture_out_everywhere(page: Page) -> None:
    before = dict(page.tell(MARKS))
    assert "gru" in page.tell(NAMED)
    check(page, "architecture", "gru")
    assert "gru" not in page.tell(NAMED)
    assert "bag_of_words" in page.tell(NAMED)
    rows = "[...document.querySelectorAll('tr[data-architecture=gru]')]"
    assert page.tell(f"{rows}.length > 3 && {rows}.every((row) => !row.checkVisibility())")
    after = dict(page.tell(MARKS))
    assert all(after[name] < before[name] for name in ("score", "matrix", "learning_recall"))
    assert page.tell("document.querySelector('output[data-kind=architecture]').value") == "2 of 3"
    check(page, "architecture", "gru")
    assert dict(page.tell(MARKS)) == before
    assert page.complaints() == []


def test_the_filter_leaves_a_task_out_everywhere(page: Page) -> None:
    assert "recall" in page.tell("document.querySelector('main').innerText")
    check(page, "task", "recall")
    page.tell("document.querySelector('#verdict > p').remove()")  # it is about all tasks
    said = page.tell("document.querySelector('main').innerText.split('How it was run')[0]")
    assert "copy" in said
    assert "recall" not in said
    assert not [name for name, _ in page.tell(MARKS) if name.endswith("recall")]


def test_a_filter_that_leaves_nothing_says_so(page: Page) -> None:
    page.tell("document.querySelector('button[data-kind=architecture][value=none]').click()")
    page.tell(DRAWN)
    assert page.tell("document.querySelector('#score .chart').innerText") == (
        "The filter leaves nothing to draw."
    )
    page.tell("document.querySelector('button[data-kind=architecture][value=all]').click()")
    page.tell(DRAWN)
    assert dict(page.tell(MARKS))["score"] > 0
    assert page.complaints() == []


def test_everything_that_can_be_reached_has_a_name(page: Page) -> None:
    nodes = page.call("Accessibility.getFullAXTree")["nodes"]
    seen = [node for node in nodes if not node["ignored"]]
    for role in ("checkbox", "button", "region", "table", "link", "navigation"):
        named = [node.get("name", {}).get("value", "") for node in seen if role == of(node)]
        assert all(named), role
        assert named or role in ("checkbox", "button"), role  # these lie in closed details


def of(node: dict[str, Any]) -> str:
    return str(node["role"]["value"])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_ink_reads_on_the_ground(page: Page, scheme: str) -> None:
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    page.call("Emulation.setEmulatedMedia", features=features)
    style = "getComputedStyle(document.body)"
    ground = luminance(page.tell(f"{style}.backgroundColor"))
    assert (ground < 0.1) == (scheme == "dark")
    for element in ("body", "caption", "a", ".chart svg text"):
        result = f"getComputedStyle(document.querySelector('{element}'))"
        ink = luminance(page.tell(f"(s => s.fill !== 'rgb(0, 0, 0)' ? s.fill : s.color)({result})"))
        light, dark = max(ink, ground), min(ink, ground)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, element  # WCAG 2.2, AA
    page.call("Emulation.setEmulatedMedia", features=[])


def luminance(colour: str) -> float:
    """Relative luminance of `rgb(r, g, b)`, as WCAG 2.2 defines it."""
    shares = [int(part) / 255 for part in colour.removeprefix("rgb(").rstrip(")").split(",")]
    linear = [s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares]
    return sum(weight * s for weight, s in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_names_with_markup_are_text(
    browser: Page, tmp_path: Path, run_of_cells: Run, record: Any
) -> None:
    name = '<script>document.title = "x"</script><img src=x onerror="document.title = 1">'
    records = [record(architecture=name, task=name, score=0.5), record(task=name, score=0.9)]
    write_report(tmp_path, run_of_cells, records, [])
    browser.open(tmp_path / "report.html")
    assert browser.tell("document.title") == "LagBench: quick"
    assert browser.tell("document.images.length") == 0
    assert name in browser.tell("document.querySelector('#leaderboard').textContent")
    assert browser.complaints() == []
    assert name in browser.tell(NAMED)
    browser.tell("document.querySelector('input[name=architecture]').click()")
    browser.tell(DRAWN)
    assert name not in browser.tell(NAMED)


@pytest.mark.parametrize("status", ["none", "failed", "unsupported"])
def test_a_run_without_scores_opens(
    browser: Page, tmp_path: Path, run_of_cells: Run, record: Any, status: str
) -> None:
    failed = [] if status == "none" else [record(status=status, selected=False, reason="why")]
    write_report(tmp_path, run_of_cells, failed, [])
    browser.open(tmp_path / "report.html")
    assert browser.complaints() == []
    assert browser.tell("document.querySelector('#filter').hidden")


@pytest.fixture
def run_of_cells(request: pytest.FixtureRequest) -> Run:
    """The run of the other tests; here `run` is the function."""
    result: Run = request.getfixturevalue("run")
    return result


def test_a_run_of_one_seed_opens(
    browser: Page, tmp_path: Path, run_of_cells: Run, grid: list[Record]
) -> None:
    single = [record for record in grid if record.seed == 0]
    write_report(tmp_path, run_of_cells, single, [])
    browser.open(tmp_path / "report.html")
    assert browser.complaints() == []
    assert "There is one seed each" in browser.tell("document.body.innerText")
