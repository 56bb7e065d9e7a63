"""Prices against the length, in files: every case has a row, and disturbed ones lie on no line."""

from pathlib import Path
from typing import Any

import altair as alt
import pandas as pd
import pytest

from lagbench.cost.scaling import Exponent
from lagbench.report.costs import cost_figures, exponent_table, throughput_table, write_costs

UNSUPPORTED: dict[str, str | int] = {
    "architecture": "bilstm",
    "task": "copy",
    "length": 16,
    "reason": "it reads ahead",
}
FITTED = [
    Exponent("rnn", "copy", work, 1.1, 0.9, 1.3, 4, order)
    for work, order in (("training", "T"), ("inference", None))
]


@pytest.fixture
def table(throughput: Any) -> Any:
    measured = [
        throughput(
            architecture=name, task="copy", length=length, flops_per_token=1e4,
            other_cores=0.9 if length == 64 else 0.0,
        )
        for name in ("rnn", "lstm")
        for length in (16, 64, 256)
    ]  # fmt: skip
    return throughput_table(measured, [UNSUPPORTED])


def test_every_case_has_a_row(table: Any) -> None:
    assert len(table) == 7
    unsupported = table[table["reason"].notna()]
    assert unsupported[list(UNSUPPORTED)].to_dict("records") == [UNSUPPORTED]
    assert unsupported["train_tokens_per_second"].isna().all()
    assert table.set_index(["architecture", "length"])["undisturbed"]["rnn"].tolist() == [1, 0, 1]


def test_the_charts_are_valid_and_draw_what_is_known(table: Any) -> None:
    throughput, exponents = cost_figures(table, exponent_table(FITTED))
    for figure in (throughput, exponents):
        alt.Chart.from_dict(figure.specification)
    rows = pd.DataFrame(throughput.specification["datasets"]["rows"])
    assert set(rows["architecture"]) == {"rnn", "lstm"}
    assert "forward pass, FLOPs per token" in set(rows["price"])
    assert "state at the end, bytes" not in set(rows["price"])  # nowhere known here


def test_a_disturbed_cell_lies_on_no_line(table: Any) -> None:
    throughput, _ = cost_figures(table, exponent_table(FITTED))
    layers = throughput.specification["spec"]["layer"]
    (line,) = [layer for layer in layers if layer["mark"]["type"] == "line"]
    assert line["transform"] == [{"filter": {"field": "undisturbed", "equal": True}}]
    hollow = [layer for layer in layers if layer["mark"].get("filled") is False]
    assert hollow[0]["transform"] == [{"filter": {"field": "undisturbed", "equal": False}}]


def test_the_files_are_the_same_again(table: Any, tmp_path: Path) -> None:
    for folder in ("one", "other"):
        write_costs(tmp_path / folder, table, exponent_table(FITTED))
    names = ["throughput.csv", "exponents.csv", "figures/throughput.svg", "figures/exponents.svg"]
    for name in names:
        first, other = ((tmp_path / folder / name).read_bytes() for folder in ("one", "other"))
        assert first == other
        assert first


def test_without_a_fit_there_is_no_picture_of_it(table: Any, tmp_path: Path) -> None:
    write_costs(tmp_path, table, exponent_table([]))
    assert [path.name for path in (tmp_path / "figures").iterdir()] == ["throughput.svg"]
    assert pd.read_csv(tmp_path / "exponents.csv").empty
