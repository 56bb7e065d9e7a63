"""Published figures: they belong to cells of ours, and verdicts follow from records."""

from dataclasses import replace
from math import log
from typing import Any

import pytest

from lagbench.publish import literature
from lagbench.publish.literature import FigureAgreement, LiteratureFigure, against_literature, rows
from lagbench.publish.records import Published
from lagbench.record import ProbeValue, Status
from lagbench.spec.suite import cells, load


@pytest.mark.parametrize("suite", sorted({row.suite for row in rows()}))
def test_every_row_is_of_a_cell_that_its_suite_has(suite: Any) -> None:
    places = {cell.cell_id for cell in cells(load(suite))}
    for row in rows():
        if row.suite == suite:
            assert (row.architecture, row.task, row.length) in places
            assert row.minus is None or (row.architecture, *places_of(row.minus)) in places


def places_of(index: Any) -> Any:
    return index.task, index.length


def test_the_floor_of_copy_memory_is_what_the_symbols_cost() -> None:
    at_floor = [row for row in rows() if row.task == "copy_memory" and row.ours_is == "near"]
    assert len(at_floor) == 3
    for row in at_floor:
        assert row.figure == pytest.approx(10 * log(8) / (row.length + 20), rel=1e-3)


@pytest.mark.parametrize(
    ("ours_is", "ours", "verdict"),
    [
        ("near", 0.9, FigureAgreement.AGREES),
        ("near", 1.2, FigureAgreement.DIFFERS),
        ("near", 0.8, FigureAgreement.DIFFERS),
        ("at_most", -5.0, FigureAgreement.AGREES),
        ("at_most", 1.05, FigureAgreement.AGREES),
        ("at_most", 1.2, FigureAgreement.DIFFERS),
        ("at_least", 5.0, FigureAgreement.AGREES),
        ("at_least", 0.95, FigureAgreement.AGREES),
        ("at_least", 0.8, FigureAgreement.DIFFERS),
        ("near", None, FigureAgreement.NOT_RUN),
    ],
)
def test_verdicts(ours_is: Any, ours: Any, verdict: Any) -> None:
    row = rows()[0].model_copy(update={"ours_is": ours_is, "figure": 1.0, "tolerance": 0.125})
    assert LiteratureFigure(row, ours, 3).verdict is verdict


def compared(
    monkeypatch: pytest.MonkeyPatch,
    published: Published,
    values: Any,
    row: Any,
    name: Any = "test_loss",
) -> Any:
    """A row against records with these values, one a seed."""
    model = next(record for record in published.records if record.status is Status.OK)
    index = {"architecture": row.architecture, "task": row.task, "length": row.length}
    records = [
        model.model_copy(update={**index, "seed": seed, "selected": True, name: value})
        for seed, value in enumerate(values)
    ]
    records.append(records[0].model_copy(update={"selected": False, name: values[0] + 99}))
    monkeypatch.setattr(literature, "rows", lambda: (row,))
    (result,) = against_literature({row.suite: replace(published, records=tuple(records))})
    return result


def test_the_mean_or_the_best_of_the_selected_seeds(
    monkeypatch: pytest.MonkeyPatch, published: Published
) -> None:
    row = rows()[0].model_copy(update={"measure": "test_loss"})
    result = compared(monkeypatch, published, [1.0, 2.0, 6.0], row)
    assert (result.ours, result.seeds) == (3.0, 3)
    best = row.model_copy(update={"of": "best"})
    assert compared(monkeypatch, published, [1.0, 2.0, 6.0], best).ours == 1.0


def test_extrapolation_is_that_of_the_length_asked_for(
    monkeypatch: pytest.MonkeyPatch, published: Published
) -> None:
    row = rows()[0].model_copy(update={"measure": "extrapolated:320", "of": "best"})
    scores = [
        tuple(ProbeValue(probe="extrapolation", x=x, value=value - x / 1000) for x in (80, 320))
        for value in (1.0, 0.5)
    ]
    model = next(record for record in published.records if record.status is Status.OK)
    index = {"architecture": row.architecture, "task": row.task, "length": row.length}
    records = tuple(
        model.model_copy(update={**index, "selected": True, "probes": item}) for item in scores
    )
    monkeypatch.setattr(literature, "rows", lambda: (row,))
    (result,) = against_literature({row.suite: replace(published, records=records)})
    assert result.ours == pytest.approx(0.68)


def test_what_was_not_run_is_said(published: Published) -> None:
    result = against_literature({"tiny": published})
    assert len(result) == len(rows())
    assert {first.verdict for first in result} == {FigureAgreement.NOT_RUN}
