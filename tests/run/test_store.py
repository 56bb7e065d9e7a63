"""Files that are whole or not there."""

import json
import stat

import pytest

from lagbench.contract import UserError
from lagbench.record import Status
from lagbench.run.config import WorkerConfig
from lagbench.run.failures import failed_records
from lagbench.run.store import Store, atomic_write
from lagbench.spec.suite import cells, load


@pytest.fixture
def kept(tiny, tmp_path):
    cell = cells(load(str(tiny)))[0]
    records = failed_records(cell, WorkerConfig("tiny"), Status.UNSUPPORTED, "a reason")
    store = Store(tmp_path / "out")
    store.write(records)
    return store, cell, records


def test_what_is_written_reads_back(kept):
    store, cell, records = kept
    assert store.read(cell) == records


def test_a_cell_is_there_whole_or_not_at_all(kept):
    store, cell, records = kept
    (store.out / "trials" / records[1].trial / "result.json").unlink()
    assert store.read(cell) is None


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text[: len(text) // 2],
        lambda text: text.replace('"format": 2', '"format": 999'),
        lambda text: json.dumps({**json.loads(text), "unheard_of": 1}),
        lambda text: "",
    ],
)
def test_an_unreadable_file_is_set_aside_not_deleted(kept, spoil):
    _, cell, records = kept
    warnings = []
    store = Store(kept[0].out, warnings.append)
    path = store.out / "trials" / records[0].trial / "result.json"
    spoilt = spoil(path.read_text())
    path.write_text(spoilt)
    assert store.read(cell) is None
    (aside,) = path.parent.glob("result.json.unreadable-*")
    assert aside.read_text() == spoilt
    assert not path.exists()
    (warning,) = warnings
    assert str(path) in warning
    assert aside.name in warning


def test_what_was_set_aside_before_stays(kept):
    store, cell, records = kept
    path = store.out / "trials" / records[0].trial / "result.json"
    for text in ("one", "two"):
        path.write_text(text)
        store.read(cell)
    assert {file.read_text() for file in path.parent.iterdir()} == {"one", "two"}


def test_a_record_in_the_place_of_another_is_set_aside(kept):
    store, cell, records = kept
    first, second = (store.out / "trials" / r.trial / "result.json" for r in records[:2])
    first.write_text(second.read_text())
    assert store.read(cell) is None
    assert not first.exists()


def test_nothing_partial_is_left_where_writing_fails(tmp_path):
    with pytest.raises(TypeError):
        atomic_write(tmp_path / "file", 3)
    assert list(tmp_path.iterdir()) == []


def test_written_files_are_for_everyone_to_read(tmp_path):
    atomic_write(tmp_path / "file", "text")
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) & 0o444


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        atomic_write(tmp_path / "file" / "below", "text")
