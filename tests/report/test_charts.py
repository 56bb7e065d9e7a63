"""The charts: valid, drawn, each architecture in its own colour everywhere."""

import json
import re
from typing import Any

import altair as alt
import pytest
import vl_convert

from lagbench.record import Record, Throughput
from lagbench.report.charts import run_figures
from lagbench.report.palette import COLOURS, looks
from lagbench.report.panels import VEGA_LITE, Figure
from lagbench.report.tables import derive

OVERVIEWS = {"score", "horizons", "matrix", "ranks", "price_training", "price_inference", "speed"}
BY_TASK = {"lag", "gradient", "influence", "learning", "seconds", "rates"}


@pytest.fixture
def speeds(throughput: Any) -> list[Throughput]:
    return [
        throughput(architecture=name, task=task, length=length)
        for name in ("rnn", "lstm", "transformer")
        for task in ("recall", "adding")
        for length in (16, 32, 64, 128)
    ]


@pytest.fixture
def drawn(grid: list[Record], speeds: list[Throughput]) -> list[Figure]:
    return list(run_figures(derive(grid, speeds)))


def colours(part: Any) -> list[dict[str, str]]:
    """Every colour scale in a specification, as a mapping of architectures."""
    if isinstance(part, list):
        return [scale for item in part for scale in colours(item)]
    if not isinstance(part, dict):
        return []
    color: Any = part.get("color")
    named = isinstance(color, dict) and color.get("field") == "architecture"
    scale = color["scale"] if named else None
    subset = [dict(zip(scale["domain"], scale["range"], strict=True))] if scale else []
    return subset + [scale for item in part.values() for scale in colours(item)]


def test_every_kind_is_drawn_where_there_is_something_to_draw(drawn: list[Figure]) -> None:
    assert {figure.name for figure in drawn if figure.task is None} == OVERVIEWS
    by_task = [(figure.name, figure.task) for figure in drawn if figure.task is not None]
    assert sorted(by_task) == sorted(
        (f"{kind}_{task}", task) for kind in BY_TASK for task in ("adding", "recall")
    )


def test_figures_are_valid_and_have_marks(drawn: list[Figure]) -> None:
    for figure in drawn:
        alt.Chart.from_dict(figure.specification)  # raises where the schema is not kept
        svg = vl_convert.vegalite_to_svg(figure.specification, vl_version=VEGA_LITE)
        assert len(re.findall('aria-roledescription="(point|bar|rect mark)"', svg)) >= 3, (
            figure.name
        )


def test_an_architecture_has_one_colour_in_all_figures(drawn: list[Figure]) -> None:
    result = [scale for figure in drawn for scale in colours(figure.specification)]
    assert result
    for scale in result:
        assert scale == {"lstm": COLOURS[0], "rnn": COLOURS[1], "transformer": COLOURS[2]}


def test_a_legend_names_those_that_are_drawn(record: Any) -> None:
    records = [
        record(architecture="a", task="one", score=0.5, curve=[]),
        record(architecture="b", score=0.5),
        record(architecture="c", status="unsupported", selected=False, reason="no"),
    ]
    score = next(run_figures(derive(records, [])))
    assert [set(scale) for scale in colours(score.specification)] == [{"a", "b"}] * 4


def test_looks_differ_for_hundreds_and_do_not_hang_on_the_unsupported(record: Any) -> None:
    scored = [record(architecture=f"scored_{index}", score=0.5) for index in range(300)]
    unsupported = record(architecture="a", status="unsupported", selected=False, reason="no")
    single = looks(derive(scored, []).summary)
    assert len(set(single.values())) == 300
    together = looks(derive([*scored, unsupported], []).summary)
    assert {name: look for name, look in together.items() if name != "a"} == single


def test_charts_hold_no_more_columns_than_they_show_or_filter_by(drawn: list[Figure]) -> None:
    for figure in drawn:
        text = json.dumps(figure.specification, allow_nan=False)  # raises for NaN
        rows = figure.specification["datasets"]["rows"]
        assert rows
        assert "architecture" in rows[0]
        assert ("task" in rows[0]) == (
            figure.task is None and figure.name not in ("speed", "ranks")
        )
        for column in set(rows[0]) - {"task"}:
            assert f'"field": "{column}"' in text or f"datum.{column}" in text


def test_tasks_that_differ_in_signs_alone_have_files_of_their_own(grid: list[Record]) -> None:
    names = {"recall": "copy:gap=1", "adding": "../copy gap=1"}
    records = [record.model_copy(update={"task": names[record.task]}) for record in grid]
    result = [figure.name for figure in run_figures(derive(records, []))]
    assert len(set(result)) == len(result) == 14
    assert all(re.fullmatch(r"[a-z0-9_]+", name) for name in result)


@pytest.mark.parametrize("status", ["failed", "diverged", "unsupported"])
def test_nothing_is_drawn_without_scores(record: Any, throughput: Any, status: str) -> None:
    records = [record(status=status, selected=False, reason="why")]
    assert not list(run_figures(derive(records, [])))
    assert not list(run_figures(derive([], [])))


def test_a_bar_joins_those_whose_ranks_are_not_told_apart(record: Any) -> None:
    records = [
        record(architecture=name, length=length, score=score + length / 1000)
        for length in range(1, 21)
        for name, score in (("a", 0.9), ("b", 0.8), ("c", 0.1 if length % 2 else 0.85), ("d", 0.0))
    ]
    tables = derive(records, [])
    (diagram,) = (figure for figure in run_figures(tables) if figure.name == "ranks")
    rows = {row["row"]: row for row in diagram.specification["datasets"]["rows"]}
    ranks = dict(zip(tables.ranks["architecture"], tables.ranks["rank"], strict=True))
    assert ranks == {"a": 1.0, "b": 2.5, "c": 2.5, "d": 4.0}
    assert {name: rows[name]["rank"] for name in "abcd"} == ranks
    bars = {name: (row["rank"], row["end"]) for name, row in rows.items() if row["end"] is not None}
    difference = tables.ranks["critical_difference"].iloc[0]
    assert bars == {
        "group a": (2.5, 2.5),
        "CD 1.05": (1, pytest.approx(1 + difference, abs=1e-3)),
    }
