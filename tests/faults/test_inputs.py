"""A few hundred bad inputs; `nox -s faults` gives 10,000."""

import pytest

from tests.faults.inputs import KINDS, clean, tried


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_bad_input_is_one_sentence_and_writes_nothing(kind, tmp_path):
    found = tried(kind, 20, tmp_path / "ü").found
    assert found.total() - found["were fine after all"] >= 20


@pytest.mark.parametrize(
    ("status", "told"),
    [(1, "Error: so"), (2, "so"), (2, "Error: "), (2, "Error: a\nError: b"), (0, "Traceback (mo")],
)
def test_what_is_no_clean_answer_is_told_apart(status, told):
    with pytest.raises(AssertionError):
        clean(status, told)
