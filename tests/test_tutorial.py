"""The tutorial's commands, run as they are written, one after another."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).parents[1]
TUTORIAL = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```console\n(.*?)```", TUTORIAL, flags=re.DOTALL)
COMMANDS = [
    shlex.split(line) for block in BLOCKS for line in block.replace("\\\n", " ").splitlines()
]


@pytest.mark.slow
def test_every_command_does_what_the_tutorial_says(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "bench")}
    for name, *arguments in COMMANDS:
        assert name == "lagbench"
        ended = subprocess.run(
            [sys.executable, "-c", "from lagbench.__main__ import main; main()", *arguments],
            cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600,
        )  # fmt: skip
        assert ended.returncode == 0, ended.stderr
        assert ended.stdout.strip(), f"lagbench {shlex.join(arguments)} prints nothing"
    results = tmp_path / "results" / "first"
    assert (results / "report.html").is_file()
    summary = pd.read_csv(results / "summary.csv").set_index(["architecture", "task", "length"])
    assert len(summary) == 5
    rnn, gru = (summary.loc[name, "recall", 64] for name in ("rnn", "gru"))
    assert rnn.score_high < gru.score_low, "the intervals touch, and the tutorial says they do not"


def test_the_commands_are_found():
    assert {arguments[1] for arguments in COMMANDS} >= {"list", "show", "data", "pairs", "run"}
