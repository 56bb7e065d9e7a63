"""Disks that are full or read only, folders that are held, a clock that goes backwards."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lagbench.contract import UserError
from lagbench.record import Record
from lagbench.run.config import RunConfig
from lagbench.run.executors.local import Inline
from lagbench.run.runner import Watcher, run
from lagbench.run.store import run_lock
from lagbench.spec.suite import Selection, load, selected
from lagbench.tracking import Tracking

ROOT = Path(__file__).parents[2]


def order(suite, out):
    chosen = selected(load(str(suite)), Selection(("gru", "bag_of_words"), ("recall",), (4,)))
    return RunConfig(chosen, out, Inline(), Tracking("disabled", out))


def trained(out):
    """What the trials came to, but for how long they took."""
    records = [Record.model_validate_json(path.read_bytes()) for path in results(out)]
    return {record.trial: record.model_copy(update={"wall_seconds": 0}) for record in records}


def results(out):
    return sorted(out.glob("trials/*/result.json"))


def mounted(options, path):
    return subprocess.run(["mount", "-o", options, path], capture_output=True).returncode == 0


@pytest.fixture
def small_disk(tmp_path):
    """A file system of a megabyte, in memory."""
    path = tmp_path / "small disk"
    path.mkdir()
    made = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(path)]
    if os.name == "nt" or os.geteuid() or subprocess.run(made, capture_output=True).returncode:
        pytest.skip("only root may mount a file system")
    yield path
    subprocess.run(["umount", "--lazy", path], check=True)


def test_a_full_disk_is_one_sentence_and_costs_no_result(tiny, small_disk, tmp_path):
    out = small_disk / "out"
    filler = small_disk / "filler"
    run(order(tiny, tmp_path / "undisturbed"), Watcher())
    rooms = [0, 8, 32, 64, 128, 256, 400]  # KiB: it is full in another place each time
    for room in rooms:
        filler.write_bytes(b"")
        _fill(filler, leave=room * 1024)
        with pytest.raises(UserError, match=r"cannot be written: No space left on device\.$"):
            run(order(tiny, out), Watcher())
        trained(out)
    filler.unlink()
    assert mounted("remount,size=64m", small_disk)
    run(order(tiny, out), Watcher())
    assert trained(out) == trained(tmp_path / "undisturbed")


def _fill(path, leave):
    """Write until only so many bytes are free."""
    state = os.statvfs(path)
    size = state.f_bavail * state.f_frsize - leave
    with path.open("wb") as file:
        file.write(bytes(max(0, size)))


def test_a_read_only_folder_is_one_sentence(tiny, small_disk):
    assert mounted("remount,ro", small_disk)
    with pytest.raises(UserError, match=r"cannot be written: Read-only file system\.$"):
        run(order(tiny, small_disk / "out"), Watcher())


def test_a_folder_that_became_read_only_is_one_sentence(tiny, small_disk):
    assert mounted("remount,size=64m", small_disk)
    run(order(tiny, small_disk / "out"), Watcher())
    assert mounted("remount,ro", small_disk)
    with pytest.raises(UserError, match=r"cannot be written: Read-only file system\.$"):
        run(order(tiny, small_disk / "out"), Watcher())


def test_a_folder_is_held_by_one_run(tiny, tmp_path):
    with run_lock(tmp_path / "out"):
        holder = re.escape(f"is in use by process {os.getpid()} on ")
        with pytest.raises(UserError, match=holder):
            run(order(tiny, tmp_path / "out"), Watcher())
    with run_lock(tmp_path / "out"):
        pass


def test_a_holder_that_is_killed_frees_its_folder(tmp_path):
    program = (
        "import sys; from pathlib import Path; from lagbench.run.store import run_lock\n"
        "with run_lock(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", program, tmp_path],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "bench")},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdout.readline() == b"held\n"
    with pytest.raises(UserError, match=f"process {holder.pid} "), run_lock(tmp_path):
        pass
    holder.send_signal(signal.SIGKILL)
    holder.communicate()
    with run_lock(tmp_path):
        pass


def test_a_clock_that_goes_backwards_changes_nothing(tiny, tmp_path, monkeypatch):
    run(order(tiny, tmp_path / "undisturbed"), Watcher())
    real = time.time
    begun = real()
    monkeypatch.setattr(time, "time", lambda: begun - 3600 * (real() - begun))
    monkeypatch.setattr(time, "time_ns", lambda: int(time.time() * 1e9))
    report = run(order(tiny, tmp_path / "out"), Watcher())
    assert report.seconds > 0
    assert trained(tmp_path / "out") == trained(tmp_path / "undisturbed")
