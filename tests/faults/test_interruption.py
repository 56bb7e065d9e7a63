"""A run that is interrupted, terminated or killed loses nothing, and goes on when started again."""

import json
import signal
from contextlib import suppress

import psutil
import pytest

from tests.faults.command import ROOT, Command, alive, wait

pytestmark = pytest.mark.slow

PLUGIN = ROOT / "tests" / "faults" / "odd.py"


class Sitting:
    """A run of one cell that is soon done and one that waits at a gate."""

    def __init__(self, folder, suite):
        self.folder, self.suite, self.out = folder, suite, folder / "out ü"

    def start(self, *words):
        chosen = ("--task", "recall", "--length", 4, "--architecture", "gru")
        waiting = ("--architecture", f"odd:how=waits,at={self.folder}", "--plugin", PLUGIN)
        return Command(
            "run", self.suite, *chosen, *waiting, "--workers", 2, "--out", self.out, *words,
            "--wandb", "disabled", folder=self.folder,
        )  # fmt: skip

    def begun(self):
        return (self.folder / "begun").is_file() and (self.folder / "begun").read_text()

    def results(self):
        return {path: path.read_bytes() for path in self.out.glob("trials/*/result.json")}

    def half_done(self):
        """Whether one cell is kept and the other waits."""
        return self.begun() and len(self.results()) == 4


@pytest.fixture
def sitting(tmp_path, tiny):
    return Sitting(tmp_path, tiny)


def goes_on(sitting):
    """Started again with its gate open, it trains what is missing and nothing else."""
    kept = sitting.results()
    (sitting.folder / "open").touch()
    status, printed, errors = sitting.start("--json").end()
    assert status == 0, errors
    assert "1 cell to train, 1 there already" in errors
    assert {path: sitting.results()[path] for path in kept} == kept
    assert len(json.loads(printed)["summary"]) == 2
    assert len(sitting.results()) == 8


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_once_it_stops_in_order(sitting, number, status):
    command = sitting.start()
    command.until(sitting.half_done)
    command.signal(number)
    found, _, errors = command.end()
    assert found == status, errors
    (told,) = [line for line in errors.splitlines() if line.startswith("Interrupted: ")]
    assert "1 of 2 cells are kept" in told
    assert "The same command goes on from there; `lagbench report " in told
    assert "Traceback" not in errors
    assert not alive(int(sitting.begun()))
    goes_on(sitting)


def test_twice_it_stops_at_once(sitting):
    command = sitting.start()
    command.until(sitting.half_done)
    command.signal(signal.SIGINT)
    command.signal(signal.SIGINT)
    assert command.end()[0] == 130
    goes_on(sitting)


def test_killed_it_takes_its_workers_along_and_frees_the_folder(sitting):
    command = sitting.start()
    command.until(sitting.half_done)
    holder = sitting.start()
    status, _, errors = holder.end()
    assert status == 2
    assert f"is in use by process {command.process.pid} on " in errors
    worker = int(sitting.begun())
    command.signal(signal.SIGKILL)
    command.end()
    wait(lambda: not alive(worker))
    goes_on(sitting)


@pytest.mark.parametrize("words", [("no_such_suite",), ("--length", "many")])
def test_bad_input_leaves_nothing_running(tmp_path, words):
    command = Command("run", *words, folder=tmp_path)
    status, _, errors = command.end()
    assert status == 2
    assert "Traceback" not in errors
    wait(lambda: not beginnings(tmp_path))


def beginnings(folder):
    """The processes that were started in a folder."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            found += [process] if process.cwd() == str(folder) else []
    return found
