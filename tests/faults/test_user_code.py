"""Architectures of a user's that do what one should not: each costs its own row and no other."""

from dataclasses import replace

import pytest

from lagbench import registry
from lagbench.contract import UserError
from lagbench.record import Status
from lagbench.run.cell import run_cell
from lagbench.run.config import Limits, WorkerConfig
from lagbench.run.executors.local import Local
from lagbench.spec.suite import Selection, cells, load, selected


@pytest.fixture
def cell(odd, tiny, tmp_path):
    """The cell of an architecture that behaves so."""
    gru = cells(selected(load(str(tiny)), Selection(("gru",), ("recall",), (4,))))[0]

    def behaving(how):
        return replace(gru, architecture=registry.architecture(f"odd:how={how},at={tmp_path}"))

    return behaving


@pytest.mark.parametrize(
    ("how", "status", "reason"),
    [
        ("prints", Status.OK, ""),
        ("is_nan", Status.DIVERGED, "its gradient left the finite numbers"),
        ("is_short", Status.FAILED, "Error: "),
        ("is_elsewhere", Status.FAILED, "Error: "),
        ("raises", Status.FAILED, "RuntimeError: not today, nor tomorrow"),
        ("exits", Status.FAILED, "SystemExit: 3"),
        ("asks_for_much", Status.OUT_OF_MEMORY, "out of memory: it asked for another 4 TiB"),
        ("asks_for_more", Status.OUT_OF_MEMORY, "out of memory: it asked for another 8.00 TiB"),
    ],
)
def test_what_goes_wrong_is_a_status_and_a_reason_of_one_line(cell, how, status, reason):
    records = run_cell(cell(how), WorkerConfig("tiny"))
    assert {record.status for record in records} == {status}
    for record in records:
        assert reason in (record.reason or "")
        assert "\n" not in (record.reason or "")


@pytest.mark.slow
def test_workers_are_limited_replaced_and_tried_twice(cell, odd):
    """One run of all that can happen to a worker, beside a cell that is as it should be."""
    wanted = {
        "prints": (Status.OK, ""),
        "kills_once": (Status.OK, ""),
        "asks_once": (Status.OK, ""),
        "kills": (Status.FAILED, "its worker died, twice: signal SIGKILL"),
        "hangs": (Status.TIMEOUT, "it was not done after 60 s"),
        "grows": (Status.OUT_OF_MEMORY, "out of memory: it asked for another 256 MiB"),
    }
    setup = WorkerConfig("tiny", plugins=(odd,), limits=Limits(seconds=60, memory=2**31))
    found = {
        done.cell.architecture.fields["how"]: done.records
        for done in Local(2).execute([cell(how) for how in wanted], setup, lambda _: None)
    }
    assert set(found) == set(wanted)
    for how, (status, reason) in wanted.items():
        for record in found[how]:
            assert (how, record.status) == (how, status), record.reason
            assert reason in (record.reason or "")
    # With less room, batches are drawn one by one, which changes no bit.
    same = [
        [[*record.curve, record.score] for record in found[how]] for how in ("prints", "asks_once")
    ]
    assert same[0] == same[1]


def test_a_plugin_may_not_take_the_name_of_what_is_built_in(odd, tmp_path):
    path = tmp_path / "shadow.py"
    path.write_text(odd.read_text().replace('register("odd"', 'register("lstm"'))
    before = registry.architecture("lstm")
    with pytest.raises(UserError, match="lstm"):
        registry.discover([path])
    assert registry.architecture("lstm") == before
