"""Where workers come from: one process, warm, of this environment and this code."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lagbench.run.config import WorkerConfig
from lagbench.run.executors import forkserver
from lagbench.run.executors.local import Worker

ROOT = Path(__file__).parents[2]
forks = pytest.mark.skipif(not forkserver.FORKS, reason="workers are not forked here")


@pytest.fixture
def employ():
    """Start a worker, to be stopped after the test."""
    workers = []

    def start():
        setup = WorkerConfig("one")
        workers.append(Worker(setup, None, lambda _: None))
        return workers[-1]

    yield start
    for worker in workers:
        worker.stop()


def asked(worker, call, *given):
    """What a call comes to in a worker."""
    return worker._call(None, call, *given)


@forks
def test_workers_have_one_parent_that_is_not_this_process(employ):
    parents = [asked(employ(), os.getppid) for _ in range(2)]
    assert parents[0] == parents[1] != os.getpid()


def test_a_worker_has_the_environment_of_now(employ, monkeypatch):
    forkserver.start()
    monkeypatch.setenv("CHANGED_SINCE", "1")
    monkeypatch.delenv("PYTHONPATH", raising=False)
    worker = employ()
    assert asked(worker, os.getenv, "CHANGED_SINCE") == "1"
    assert asked(worker, os.getenv, "PYTHONPATH") is None
    assert asked(worker, os.getenv, "PYTHONSAFEPATH") == os.environ.get("PYTHONSAFEPATH")


@forks
def test_memory_is_allocated_as_workers_need_it(employ):
    beginning = Path(f"/proc/{asked(employ(), os.getppid)}/environ").read_text().split("\0")
    for name, value in forkserver.WORKER_ENVIRONMENT.items():
        assert f"{name}={os.environ.get(name, value)}" in beginning


def test_no_folder_of_our_name_is_taken_for_us(tmp_path):
    (tmp_path / "lagbench").mkdir()
    (tmp_path / "lagbench" / "__init__.py").touch()
    before = dict(os.environ)
    with forkserver.environment():
        program = "import lagbench; print(lagbench.__file__)"
        found = subprocess.check_output([sys.executable, "-c", program], cwd=tmp_path, text=True)
    assert Path(found.strip()) == ROOT / "bench" / "lagbench" / "__init__.py"
    assert dict(os.environ) == before


@forks
def test_what_is_preloaded_starts_no_thread_and_asks_for_no_gpu():
    program = (
        "import os, torch\n"
        "for name in ('is_available', 'device_count', '_lazy_init'):\n"
        "    setattr(torch.cuda, name, lambda *_, name=name: print('asked:', name))\n"
        "import lagbench.run.executors.preloaded, sys\n"
        "imported = {'pytorch_lightning', 'wandb'} <= {*sys.modules}\n"
        "print(len(os.listdir('/proc/self/task')), imported)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "bench"), **forkserver.WORKER_ENVIRONMENT}
    found = subprocess.check_output([sys.executable, "-c", program], env=environment, text=True)
    assert found == "1 True\n"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("", False),
        ("run", True),
        ("run quick --workers 2", True),
        ("claims --claim 9", True),
        ("search quick --architecture gru --vary layers=1,2", True),
        ("run quick --plan", False),
        ("run --help", False),
        ("run --executor inline", False),
        ("run --executor=ray", False),
        ("claims --suite results/claims", False),
        ("report run", False),
        ("--version", False),
    ],
)
def test_workers_get_ready_for_commands_that_train(words, expected):
    assert forkserver.trains(words.split()) is expected
