"""The heat map: every architecture on every task, and why a cell has no score."""

from typing import Any

import vl_convert

from lagbench.record import Status
from lagbench.report.matrix import matrix, outcomes
from lagbench.report.palette import looks
from lagbench.report.panels import VEGA_LITE
from lagbench.report.tables import derive


def tables(record: Any) -> Any:
    return derive(
        [
            *(record(seed=seed, score=score) for seed, score in enumerate((0.5, 0.7))),
            record(length=8, score=1.0),
            record(
                architecture="bilstm", status=Status.UNSUPPORTED, selected=False, reason="it peeks"
            ),
            record(architecture="rnn", selected=False, status=Status.OK, seed=0),
            record(architecture="rnn", selected=False, status=Status.TIMEOUT, seed=1),
            record(task="copy", score=1.0),
        ],
        [],
    )


def test_a_cell_tells_its_score_or_why_it_has_none(record: Any) -> None:
    result = outcomes(tables(record)).set_index(["architecture", "task"])
    assert dict(result["state"]) == {
        ("bilstm", "recall"): "unsupported",
        ("lstm", "copy"): "scored",
        ("lstm", "recall"): "scored",
        ("rnn", "recall"): "timeout",
    }
    text = result["finding"]
    assert text["lstm", "recall"] == "0.600 (0.500 to 0.700) at 16, 2 seeds"
    assert text["lstm", "copy"] == "1.000 at 16, 1 seed"
    assert text["bilstm", "recall"] == "unsupported at 16: it peeks"
    assert text["rnn", "recall"] == "timeout at 16: no reason was given"


def test_what_is_unsupported_is_hatched(record: Any) -> None:
    every = tables(record)
    figure = matrix(outcomes(every), looks(every.summary))
    svg = vl_convert.vegalite_to_svg(figure.specification, vl_version=VEGA_LITE)
    assert "finding: 0.600 (0.500 to 0.700) at 16, 2 seeds" in svg
    assert "architecture: bilstm; finding: unsupported at 16: it peeks" in svg
    assert svg.count('aria-roledescription="point"') == 1
    assert svg.count(">×<") == 1


def test_a_score_stands_before_a_reason(record: Any) -> None:
    """Of a cell with both, the score is told: a diverged seed is in its mean."""
    records = [
        record(score=0.4, status=Status.DIVERGED, reason="the loss is infinite"),
        record(seed=1, score=0.6),
    ]
    (row,) = outcomes(derive(records, [])).itertuples()
    assert (row.state, row.label) == ("scored", "0.50")
