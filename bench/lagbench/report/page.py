"""The report of a run as files: CSV tables, Markdown with figures, one self-contained HTML page.

Whatever comes from records is text to these pages: it is escaped, in HTML, in Markdown and in the
data of the charts.
"""

import html
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import vl_convert
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from lagbench.record import Record, Run, Throughput
from lagbench.report import attention, wording
from lagbench.report.changes import changes, sentence
from lagbench.report.charts import run_figures
from lagbench.report.palette import COLOURS, looks
from lagbench.report.panels import ROWS, VEGA_LITE, Figure
from lagbench.report.sections import Report, shown_sections
from lagbench.report.tables import Results, Tables, derive, write_tables

_BUNDLE = """
import sys, vl_convert
sys.stdout.buffer.write(vl_convert.javascript_bundle(*sys.argv[1:]).encode())
"""


def prepare() -> None:
    """Import what the first report would wait for, beside what this file imports."""
    import scikit_posthocs  # noqa: F401  matplotlib comes with it


def write_report(
    out: Path, run: Run, records: Sequence[Record], throughputs: Sequence[Throughput]
) -> tuple[Tables, list[Path]]:
    """Write all tables, `report.md` with `figures/`, and `report.html` into `out`.

    Only records of the cells that the run names are reported. Returns the tables, and the paths of
    their files and of the two pages. Nothing is fetched, now or when the page is opened.
    """
    cells = set(run.cells)
    reported = [record for record in records if record.cell in cells]
    with ThreadPoolExecutor(1) as aside:
        vega = aside.submit(bundled_vega)
        tables = derive(reported, throughputs)
        drawn = [*run_figures(tables), *attention.attention_figures(reported)]
        context = _context(Report(run, reported, tables, drawn))
        paths = write_tables(out, tables)
        write_figures(out / "figures", drawn)
    pages = {
        "report.md": markdown("report.md.j2", context),
        "report.html": markup("report.html.j2", context | {"vega": vega.result()}),
    }
    for name, text in pages.items():
        paths.append(out / name)
        paths[-1].write_text(text, encoding="utf-8", newline="\n")
    return tables, paths


def _context(report: Report) -> dict[str, Any]:
    summary = report.tables.summary
    return {
        "report": report,
        "sections": shown_sections(report),
        "colours": COLOURS,
        "looks": looks(summary),
        "tasks": sorted(summary["task"].unique()),
    }


def write_figures(folder: Path, drawn: Sequence[Figure]) -> None:
    """Draw figures into a folder as SVG, each by its name, and remove all others there."""
    folder.mkdir(parents=True, exist_ok=True)
    for stale in folder.glob("*.svg"):
        stale.unlink()
    for figure in drawn:
        svg = vl_convert.vegalite_to_svg(figure.specification, vl_version=VEGA_LITE)
        (folder / f"{figure.name}.svg").write_text(svg, encoding="utf-8", newline="\n")


def markup(template: str, context: dict[str, Any]) -> str:
    """A page of HTML; charts are embedded as data that cannot close its element."""
    environment = _environment()
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "allow_nan": False}
    return environment.get_template(template).render(context)


@cache
def bundled_vega() -> Markup:
    """The drawing program, as it may stand in a script element.

    A process of its own bundles it, for two seconds in which this one would stand still.
    """
    command = [sys.executable, "-P", "-c", _BUNDLE, "window.vegaEmbed = vegaEmbed;", VEGA_LITE]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)  # noqa: S603
    bundle = done.stdout.decode()
    return Markup(re.sub("</(?=script)", r"<\\/", bundle, flags=re.IGNORECASE))  # noqa: S704


def _compact(figure: Figure) -> dict[str, Any]:
    """A figure whose rows do not repeat the names of their columns."""
    rows = figure.specification["datasets"][ROWS]
    bare = {name: part for name, part in figure.specification.items() if name != "datasets"}
    values = [list(row.values()) for row in rows]
    return {"columns": list(rows[0]), "rows": values, "specification": bare}


def changes_markdown(before: Results, after: Results) -> str:
    """What changed between two runs, as Markdown."""
    changed = changes(before, after)
    context = {"before": before, "after": after, "changed": changed, "sentence": sentence(changed)}
    return markdown("changes.md.j2", context)


def markdown(template: str, context: dict[str, Any]) -> str:
    """A page of Markdown: what is filled in is text."""
    environment = _environment(finalize=_plain)
    return environment.get_template(template).render(context)


def _plain(value: Any) -> Markup:
    """Any value as Markdown that shows it and does nothing else."""
    if isinstance(value, Markup):
        return value
    text = html.escape(" ".join(str(value).split()), quote=False)
    return Markup(re.sub(r"([\\`*_\[\]|~#])", r"\\\1", text))  # noqa: S704


def _environment(finalize: Callable[[Any], Any] | None = None) -> Environment:
    environment = Environment(
        autoescape=True,
        finalize=finalize,
        loader=PackageLoader("lagbench.report"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    names = ("number", "significant", "times", "percent", "duration", "detectable", "workers")
    environment.filters |= {name: getattr(wording, name) for name in names}
    environment.filters["compact"] = _compact
    environment.globals["bounds"] = wording.bounds
    return environment
