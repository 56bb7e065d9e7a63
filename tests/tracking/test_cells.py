"""W&B runs, read back record by record from its offline files."""

import time

import pytest
from wandb.proto import wandb_internal_pb2

from bench.record import Point, Status
from bench.run.cell import Setting, run_cell
from bench.run.suite import Selection, cells, load, selected
from bench.tracking import CellRuns, Tracking

HEADER, BLOCK, FRAME = 7, 32768, 7  # W&B's file: a header, then LevelDB-like framed blocks


def frames(path):
    """The framed records of an offline file."""
    data, position, partial = path.read_bytes(), HEADER, b""
    while position + FRAME <= len(data):
        if BLOCK - position % BLOCK < FRAME:
            position += BLOCK - position % BLOCK
            continue
        size = int.from_bytes(data[position + 4 : position + 6], "little")
        kind = data[position + 6]
        partial += data[position + FRAME : position + FRAME + size]
        position += FRAME + size
        if kind in (1, 4):  # full, last
            yield wandb_internal_pb2.Record.FromString(partial)
            partial = b""


def closed(path):
    """The records of a run that was finished: W&B writes the last of them a moment later."""
    for _ in range(100):
        records = list(frames(path))
        if any(record.HasField("exit") for record in records):
            return records
        time.sleep(0.1)
    raise AssertionError(f"{path} has no exit record")


def history(records):
    rows = [record.history.item for record in records if record.HasField("history")]
    return [{item.key or item.nested_key[0]: item.value_json for item in row} for row in rows]


@pytest.fixture
def cell(tiny):
    suite = selected(load(str(tiny)), Selection(("gru",), ("recall",), (4,)))
    (cell,) = cells(suite)
    return cell


def test_a_failed_trial_ends_as_failed(cell, tmp_path):
    from bench.run.cell import ended

    runs = CellRuns(Tracking("offline", tmp_path), "tiny", cell)
    runs.finish(ended(cell, Setting("tiny", None), Status.FAILED, "it broke"))
    codes = [
        record.exit.exit_code
        for path in tmp_path.glob("wandb/offline-run-*/*.wandb")
        for record in closed(path)
        if record.HasField("exit")
    ]
    assert codes == [1] * 4


def test_disabled_writes_nothing(cell, tmp_path):
    runs = CellRuns(Tracking("disabled", tmp_path), "tiny", cell)
    runs.log({0: point()})
    assert runs.warning is None
    assert list(tmp_path.glob("wandb")) == []


@pytest.mark.parametrize("where", ["init", "log"])
def test_wandb_down_is_a_warning_and_no_result_is_lost(cell, tmp_path, monkeypatch, where):
    import wandb

    def down(*arguments, **options):
        raise ConnectionResetError("the service is gone")

    if where == "init":
        monkeypatch.setattr(wandb, "init", down)
    runs = CellRuns(Tracking("offline", tmp_path), "tiny", cell)
    if where == "log":
        for run in runs.runs:
            monkeypatch.setattr(run, "log", down)
    records = run_cell(cell, Setting("tiny", None), runs.log)
    runs.finish(records)
    assert {record.status for record in records} == {Status.OK}
    assert runs.warning == "W&B stopped tracking: ConnectionResetError: the service is gone"


def point():
    return Point(
        step=1, examples=1, train_loss=0, validation_loss=0, validation_metric=0,
        validation_score=0, gradient_norm=0, clipped=0,
    )  # fmt: skip
