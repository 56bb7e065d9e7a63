"""The page and the tables of the claims."""

import csv
import io

import pytest

from lagbench.claims.claim import Claim, Part, ruling
from lagbench.claims.evidence import Evidence, Quantity
from lagbench.claims.page import CLAIMS, PARTS, write

NASTY = '<b>x</b> | `y` & "z" </script>'


@pytest.fixture
def written(tmp_path):
    def of(*values):
        quantity = Quantity(NASTY, "future", lambda _: dict(enumerate(values)))
        part = Part(NASTY, (quantity,), lambda value: value, 0.5)
        claim = Claim(1, NASTY, NASTY, (part,), NASTY)
        write(tmp_path, [ruling(claim, Evidence({}, []))], {"machine": NASTY})
        return {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()}

    return of


def rows(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_tables_say_what_the_verdict_hangs_on(written):
    files = written(0.75, 0.8)
    (claim,) = rows(files["claims.csv"])
    assert tuple(claim) == CLAIMS
    assert (claim["claim"], claim["statement"], claim["verdict"]) == ("1", NASTY, "undecided")
    assert (claim["seeds"], claim["threshold"], claim["evidence"]) == (
        "2", "0.5", "claims/future",
    )  # fmt: skip
    assert float(claim["low"]) < float(claim["effect"]) == pytest.approx(0.775)
    (part,) = rows(files["claim_parts.csv"])
    assert tuple(part) == PARTS


def test_what_was_not_measured_is_empty(written):
    files = written()
    (claim,) = rows(files["claims.csv"])
    assert [claim[name] for name in ("effect", "low", "high", "seeds")] == ["", "", "", "0"]
    assert "nothing was measured" in files["report.html"]
    assert "nan" not in files["report.html"].lower()
    assert "nan" not in files["report.md"].lower()


def test_names_are_escaped(written):
    files = written(0.75, 0.8)
    assert "<b>" not in files["report.html"]
    assert "&lt;b&gt;x&lt;/b&gt;" in files["report.html"]
    assert "<b>" not in files["report.md"]
    table = [line for line in files["report.md"].splitlines() if line.startswith("| 1 |")]
    assert [line.replace(r"\|", "").count("|") for line in table] == [9]


def test_evidence_is_a_click_away_and_values_stand_beside(written):
    files = written(0.75, 0.8)
    assert '<a href="#claim-1">' in files["report.html"]
    assert '<section id="claim-1">' in files["report.html"]
    assert '<a href="future/report.html">' in files["report.html"]
    assert "(`claims/future`): 0.75, 0.8" in files["report.md"]
    assert "<td>0.75</td><td>0.8</td>" in files["report.html"]


def test_the_same_evidence_gives_the_same_bytes(written):
    assert written(0.75, 0.8) == written(0.75, 0.8)
