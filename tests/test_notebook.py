"""The notebook for teachers: its cells run as written, and what is kept in it is whole."""

import ast
import json
import re
import sys
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).parents[1] / "examples" / "from_vanishing_gradients_to_attention.ipynb"
CELLS = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
CODE = [cell for cell in CELLS if cell["cell_type"] == "code"]
OUTPUTS = [output for cell in CODE for output in cell["outputs"]]


def pictures(outputs):
    return [output for output in outputs if "image/png" in output.get("data", {})]


def test_every_section_asks_a_question_and_shows_a_run():
    text = "\n".join("".join(cell["source"]) for cell in CELLS if cell["cell_type"] == "markdown")
    sections = re.findall(r"^## \d", text, flags=re.MULTILINE)
    assert len(sections) == text.count("**Question.**") == 6
    assert len(pictures(OUTPUTS)) >= len(sections)


def test_its_cells_ran_in_order_and_without_an_error():
    assert [cell["execution_count"] for cell in CODE] == [*range(1, len(CODE) + 1)]
    assert {output["output_type"] for output in OUTPUTS} <= {"execute_result", "stream"}
    assert {output.get("name") for output in OUTPUTS} <= {None, "stdout"}


def test_it_is_small_and_names_no_machine():
    kept = NOTEBOOK.read_text(encoding="utf-8")
    assert len(kept) < 1_500_000
    readable = re.sub(r'"image/png": "[^"]*"', "", kept)
    assert re.findall(r"(?:/home|/root|/tmp|/usr|/work|/Users|[A-Z]:\\\\)[^ ]*", readable) == []


@pytest.mark.slow
def test_its_cells_run_as_written(tmp_path, monkeypatch):
    shown = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(NOTEBOOK.parents[1] / "bench"))
    monkeypatch.setattr(sys, "displayhook", shown.append)  # given what each cell ends with
    names = {}
    for cell in CODE:
        statements = ast.Interactive(ast.parse("".join(cell["source"])).body)
        exec(compile(statements, NOTEBOOK.name, "single"), names)
    drawn = [value._repr_mimebundle_()[0] for value in shown if hasattr(value, "mark_line")]
    drawn = [bundle for bundle in drawn if "image/png" in bundle]
    assert len(drawn) == len(pictures(OUTPUTS))
    sizes = names["products"].set_index(["weight", "lag"])["size"]
    for weight in (10.0, 1.0, 0.9, 0.1):
        for lag in (1, 100, 300):
            assert sizes[weight, lag] == pytest.approx(weight**lag, rel=1e-4)
