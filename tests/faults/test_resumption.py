"""A finished run has nothing to train; `nox -s faults` says how long it takes to find out."""

import pytest

from tests.faults.resumption import finish, resumed


@pytest.mark.slow
def test_going_on_with_a_thousand_finished_trials_changes_nothing(tmp_path):
    finish(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.*")}
    told, _, _ = resumed(tmp_path)
    assert told == "0 cells to train, 100 there already"
    after = {path: path.stat().st_mtime_ns for path in before}
    assert {path.name for path in before if before[path] != after[path]} <= {
        ".running.lock", ".running.txt",
    }  # fmt: skip
