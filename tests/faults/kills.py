"""Killing a run at random moments, and going on with it: no trial is lost, none is there twice."""

import random
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import psutil

from tests.faults.command import Command

TIMED = [  # not decided by the trial
    *("wall_seconds", "train_tokens_per_second", "inference_tokens_per_second"),
    "decode_ms_per_token",
]

SUITE = """
architectures = ["gru", "rnn", "bag_of_words"]
seeds = 2
learning_rates = [1e-3, 1e-2]
budget.parameters = 2000

[recipe]
steps = 200
batch_size = 8
evaluate_every = 20
validation_examples = 64
test_examples = 64

[[tasks]]
name = "recall"
lengths = [4, 8]

[[tasks]]
name = "copy"
lengths = [3]
"""


class Attack:
    """So many kills of runs of a small suite, and what comes of these runs.

    `killed` counts what died: a driver, a worker, what workers are forked from, or W&B's service.
    """

    def __init__(self, folder: Path, kills: int, seed: int = 0) -> None:
        self.folder, self.kills, self.random = folder, kills, random.Random(seed)
        self.killed: Counter[str] = Counter()
        self.suite = folder / "kills.toml"
        self.suite.write_text(SUITE, encoding="utf-8")

    def run(self, tell: Callable[[str], None]) -> None:
        """Disturb one run after another, and compare each with an undisturbed one."""
        started = time.monotonic()
        self.finish(self.folder / "undisturbed")
        span = time.monotonic() - started
        expected = decided(self.folder / "undisturbed")
        tell(f"undisturbed: {len(expected)} trials in {span:.0f} s")
        while self.killed.total() < self.kills:
            out = self.folder / f"disturbed after {self.killed.total()}"
            self.disturb(out, span)
            self.finish(out)
            compare(out, expected)
            shutil.rmtree(out)
            tell(f"{self.killed.total()} kills: {dict(self.killed)}; no trial lost, none changed")

    def disturb(self, out: Path, span: float) -> None:
        """Run to the end, killing something every few seconds, and again if the driver is dead."""
        command = self.command(out)
        while self.killed.total() < self.kills:
            try:
                command.process.wait(self.random.uniform(0, span / 2))
                break
            except subprocess.TimeoutExpired:
                self.kill(command)
            if command.process.poll() is not None:
                command.end()
                command = self.command(out)
        status, _, errors = command.end()
        assert status == 0, errors

    def kill(self, command: Command) -> None:
        """Kill one of the processes of a run, whose kind is drawn first."""
        victims = family(command.process.pid)
        kind = self.random.choice(sorted(victims))
        victim = self.random.choice(victims[kind])
        victim.kill()
        psutil.wait_procs([victim], timeout=10)
        self.killed[kind] += 1

    def finish(self, out: Path) -> None:
        """Run undisturbed, also the cells whose worker was killed twice."""
        status, _, errors = self.command(out, "--retry-failed").end()
        assert status == 0, errors

    def command(self, out: Path, *words: str) -> Command:
        return Command("run", self.suite, "--workers", 2, "--out", out, *words, folder=self.folder)


def family(driver: int) -> dict[str, list[psutil.Process]]:
    """The processes of a run by kind; of a kind there is at least one."""
    found = {"driver": [psutil.Process(driver)]}
    for process in found["driver"][0].children(recursive=True):
        try:
            words, above = " ".join(process.cmdline()), process.ppid()
        except psutil.Error:  # it is gone by now
            continue
        if "wandb-core" in words:
            found.setdefault("W&B's service", []).append(process)
        elif "forkserver" in words and above == driver:
            found.setdefault("nursery", []).append(process)
        elif "forkserver" in words or "spawn_main" in words:
            found.setdefault("worker", []).append(process)
    return found


def decided(out: Path) -> pd.DataFrame:
    """The rows of `trials.csv` to the last digit, but for what a clock has decided."""
    return pd.read_csv(out / "trials.csv", dtype=str).drop(columns=TIMED)


def compare(out: Path, expected: pd.DataFrame) -> None:
    """Raise `AssertionError` unless the same trials have come to the same, each once."""
    found = decided(out)
    assert not found.trial.duplicated().any()
    pd.testing.assert_frame_equal(found, expected)
    kept = sorted(path.parent.name for path in out.glob("trials/*/result.json"))
    assert kept == sorted(expected.trial)
