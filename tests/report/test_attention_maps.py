"""Pictures of attention: every weight of a record's maps, and no more pictures than are read."""

from pathlib import Path
from typing import Any

import vl_convert

from lagbench.record import AttentionMap, Run
from lagbench.report import attention
from lagbench.report.page import write_report
from lagbench.report.panels import ROWS, VEGA_LITE


def mapped(record: Any, **changes: Any) -> Any:
    maps = tuple(
        AttentionMap(
            example=example,
            layer=layer,
            queries=("b", "a"),
            keys=("a", "a", "</script>"),
            weights=((1000, 0, 0), (250, 250, 500)),
        )
        for example in range(2)
        for layer in range(2)
    )
    return record(architecture="transformer", attention_maps=maps, **changes)


def test_every_weight_is_drawn_once(record: Any) -> None:
    (figure,) = attention.attention_figures([mapped(record, length=16), record()])
    rows = figure.specification["datasets"][ROWS]
    assert len(rows) == 4 * 2 * 3
    first = [row for row in rows if row["panel"] == "example 1, layer 1"]
    assert [row["weight"] for row in first] == [1, 0, 0, 0.25, 0.25, 0.5]
    assert len({(row["query"], row["key"]) for row in first}) == 6  # equal symbols are kept apart
    svg = vl_convert.vegalite_to_svg(figure.specification, vl_version=VEGA_LITE)
    assert svg.count('aria-roledescription="rect mark"') == len(rows)
    assert "layer 2" in svg


def test_the_longest_length_of_each_and_not_too_many(record: Any) -> None:
    records = [mapped(record, length=length) for length in (8, 32, 16)]
    (figure,) = attention.attention_figures(records)
    assert "at length 32" in figure.caption
    many = [mapped(record, task=f"task {number}") for number in range(attention.MAX_FIGURES + 5)]
    drawn = list(attention.attention_figures(many))
    assert len(drawn) == attention.MAX_FIGURES == len({figure.name for figure in drawn})


def test_pages_show_them(record: Any, run: Run, tmp_path: Path) -> None:
    write_report(tmp_path, run, [mapped(record, score=1.0)], [])
    assert "figures/attention_recall-transformer.svg" in (tmp_path / "report.md").read_text()
    assert (tmp_path / "figures" / "attention_recall-transformer.svg").is_file()
    page = (tmp_path / "report.html").read_text()
    assert "Attention: transformer on recall" in page
    assert "002</script>" not in page
