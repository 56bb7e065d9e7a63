"""Results and suites are data: they run nothing, reach nowhere, and hold no secret."""

import ast
import json
import shutil

import psutil
import pytest

from lagbench.run.failures import describe_failure
from lagbench.run.runner import rewrite
from tests.faults.command import ROOT, Command
from tests.faults.inputs import run_once
from tests.faults.kills import family

SOURCES = [
    p for folder in ("bench", "architectures", "tasks") for p in (ROOT / folder).rglob("*.py")
]
RUNS_CODE = ("pickle", "cloudpickle", "dill", "shelve", "marshal", "joblib")
SECRETS = {"WANDB_API_KEY": "f00d" * 10, "HF_TOKEN": "hf_" + "s3cret" * 5}


def dangers(source):
    """What of a source can run what it reads, as lines."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
            found += [name for name in names if name.split(".")[0] in RUNS_CODE]
        if isinstance(node, ast.Call):
            call, given = ast.unparse(node.func), {one.arg: one.value for one in node.keywords}
            safe = ast.unparse(given["weights_only"]) if "weights_only" in given else ""
            if call in ("eval", "exec") or (call == "torch.load" and safe != "True"):
                found.append(ast.unparse(node))
            if "allow_pickle" in given or "trust_remote_code" in given:
                found.append(ast.unparse(node))
    return found


def test_nothing_that_is_read_can_run():
    assert len(SOURCES) > 100
    found = {path.relative_to(ROOT).as_posix(): dangers(path.read_text()) for path in SOURCES}
    own = {
        "bench/lagbench/check/configuration.py": [
            "pickle"
        ],  # reads back the bytes that it has written
        "bench/lagbench/train/tape.py": [
            "exec(source, self.constants)"
        ],  # operations that it has just recorded
    }
    assert {path: lines for path, lines in found.items() if lines} == own


@pytest.mark.parametrize(
    "source",
    [
        *("import pickle", "from joblib import load", "eval(text)", "torch.load(path)"),
        *("torch.load(path, weights_only=False)", "np.load(path, allow_pickle=True)"),
    ],
)
def test_what_could_run_is_found(source):
    assert dangers(source)
    assert dangers("torch.load(path, weights_only=True)") == []


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return run_once(tmp_path_factory.mktemp("finished ü") / "out")


def test_a_result_cannot_write_outside_its_folder(finished, tmp_path):
    out = tmp_path / "deep" / "out"
    shutil.copytree(finished, out)
    (path, *_) = sorted(out.glob("trials/*/result.json"))
    record = json.loads(path.read_text())
    for field in ("architecture", "task", "suite"):
        record[field] = f"../../../{field}"
    path.write_text(json.dumps(record))
    rewrite(out)
    assert [one.name for one in tmp_path.iterdir()] == ["deep"]
    assert [one.name for one in (tmp_path / "deep").iterdir()] == ["out"]


@pytest.mark.parametrize("key", ["../../elsewhere", "/elsewhere", "a/b", ".."])
def test_a_key_that_is_a_path_is_set_aside(finished, tmp_path, key):
    out = tmp_path / "out"
    shutil.copytree(finished, out)
    for path in out.glob("trials/*/result.json"):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"trial": key}))
    warnings = []
    rewrite(out, warnings.append)
    assert len(warnings) == len(list(out.glob("trials/*/result.json.unreadable-1"))) > 0
    run = out / "run.json"
    run.write_text(json.dumps(json.loads(run.read_text()) | {"cells": [key]}))
    with pytest.raises(ValueError, match="There is no run"):
        rewrite(out, warnings.append)


def test_an_error_that_holds_a_secret_is_told_without_it(monkeypatch):
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    told = "".join(
        describe_failure(RuntimeError(f"401 for {value}!"))[1] for value in SECRETS.values()
    )
    assert told.count("RuntimeError: 401 for ***!") == len(SECRETS)


LEAK = """
import os
from lagbench.registry import register
raise OSError(f"401 with {os.environ['WANDB_API_KEY']} and {os.environ['HF_TOKEN']}")
"""


@pytest.mark.slow
def test_no_secret_is_written_or_told_and_nothing_listens(tiny, tmp_path):
    plugin = tmp_path / "leak.py"
    plugin.write_text(LEAK)
    status, _, errors = Command(
        "list", "tasks", "--plugin", plugin, folder=tmp_path, **SECRETS
    ).end()
    assert status == 2
    assert "401 with *** and ***" in errors
    waits = ROOT / "tests" / "faults" / "odd.py"
    command = Command(
        "run", tiny, "--out", "out", "--workers", 2, "--plugin", waits, "--length", 4,
        "--architecture", "gru", "--architecture", f"odd:how=waits,at={tmp_path}",
        "--task", "recall", folder=tmp_path, **SECRETS,
    )  # fmt: skip
    command.until((tmp_path / "begun").exists)
    open_to_all = [
        socket.laddr
        for processes in family(command.process.pid).values()
        for process in processes
        for socket in process.net_connections("inet")
        if socket.status == psutil.CONN_LISTEN and socket.laddr.ip not in ("127.0.0.1", "::1")
    ]
    (tmp_path / "open").touch()
    status, printed, errors = command.end()
    assert open_to_all == []
    assert status == 0, errors
    files = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert any(path.suffix == ".wandb" for path in files)
    for secret in SECRETS.values():
        assert secret not in printed + errors
        assert [path for path, content in files.items() if secret.encode() in content] == []
    assert [path for path, content in files.items() if content[:1] == b"\x80"] == []  # pickles
