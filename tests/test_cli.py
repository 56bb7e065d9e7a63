"""The command line: what it prints, as tables and as JSON, and what it says of bad input."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from lagbench import registry
from lagbench.cli import app, main
from lagbench.record import Status
from lagbench.run.store import Store
from tests import factories

COMMANDS = get_command(app).commands

LAYER = '''
from dataclasses import dataclass

from torch import nn

from lagbench.contract import Architecture, Mixer
from lagbench.registry import register


class Now(Mixer):
    def __init__(self, width):
        super().__init__()
        self.dense = nn.Linear(width, {units})

    def forward(self, x, mask=None):
        return {outputs}


@dataclass(frozen=True)
class Sees(Architecture):
    """It sees the present alone."""

    def build(self, width, signature):
        return Now(width)


register("sees", Sees())
'''


@pytest.fixture
def plugin(tmp_path):
    """A file whose layer keeps the contract, or does not."""

    def write(outputs, units="width"):
        path = tmp_path / "my_layer.py"
        path.write_text(LAYER.format(outputs=outputs, units=units), encoding="utf-8")
        return str(path)

    return write


RECORD = factories.record(trial="one", score=0.9)
UNSUPPORTED = RECORD.model_copy(
    update={
        "trial": "two",
        "architecture": "bilstm",
        "status": Status.UNSUPPORTED,
        "reason": "it reads ahead",
        "selected": False,
        "score": None,
    }
)
RUN = factories.run(description="Who forgets?", machine="x86_64")

CAUSAL, AHEAD = "self.dense(x.cumsum(1))", "self.dense(x + x.flip(1))"


def invoke(*words, status=0):
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == status, done.output
    return done.stdout


def error_of(monkeypatch, capsys, *words):
    """What `lagbench WORDS` says on standard error before it exits with status 2."""
    monkeypatch.setattr(sys, "argv", ["lagbench", *words])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    return printed.err


# --- help -------------------------------------------------------------------------------------


def test_without_a_command_it_helps():
    assert invoke() == invoke("--help")
    for name in COMMANDS:
        assert re.search(rf"^  {name} ", invoke("--help"), flags=re.MULTILINE)


def test_version():
    assert re.fullmatch(r"\d+\.\d+\S*\n", invoke("--version"))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_shows_an_example_that_it_understands(name):
    assert "Example: lagbench" in invoke(name, "--help")
    (example,) = re.findall(r"Example: (.*)", COMMANDS[name].help)
    program, command, *words = shlex.split(example)
    assert (program, command) == ("lagbench", name)
    COMMANDS[name].make_context(name, words)  # parses them, and runs nothing


# --- list, show, pairs ------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["architectures", "tasks", "suites"])
def test_list(kind):
    listed = json.loads(invoke("list", kind, "--json"))
    table = invoke("list", kind)
    assert listed
    for one in listed:
        assert one["description"]
        assert re.search(rf"^ +{one['name']} ", table, flags=re.MULTILINE)


def test_list_has_every_name():
    architectures = json.loads(invoke("list", "architectures", "--json"))
    tasks = json.loads(invoke("list", "tasks", "--json"))
    assert [one["name"] for one in architectures] == list(registry.architectures())
    assert [one["name"] for one in tasks] == list(registry.tasks())
    assert {"lstm", "transformer"} <= {one["name"] for one in architectures}


def test_every_name_says_where_it_is_from():
    for kind in ("architectures", "tasks"):
        for one in json.loads(invoke("list", kind, "--json")):
            assert re.search(r"(19|20)\d\d", one["source"] or "none"), one["name"]


def test_a_plugin_is_listed(plugin):
    listed = json.loads(invoke("list", "architectures", "--plugin", plugin(CAUSAL), "--json"))
    assert listed[-1]["name"] == "sees"
    assert listed[-1]["description"] == "It sees the present alone."


def test_show_an_architecture():
    shown = json.loads(invoke("show", "lstm:layers=2", "--json"))
    assert (shown["name"], shown["kind"]) == ("lstm:layers=2", "architecture")
    assert Path(shown["file"]).name == "lstm.py"
    assert shown["fields"]["layers"] == 2
    assert "Source: Hochreiter and Schmidhuber 1997" in shown["description"]
    assert shown["cost"] == {"compute": "T", "path": "T", "sequential": "T"}
    size = shown["size"]
    assert size["budget"] == 10_000
    assert abs(size["parameters"] - 10_000) <= 1000
    assert size["state"]["first"]["numbers"] == 2 * 2 * size["width"]
    printed = invoke("show", "lstm:layers=2")
    assert shown["description"] in printed
    assert f"{size['parameters']} at width {size['width']} for a budget of 10000" in printed
    assert "of order T: operations" in printed


def test_show_what_states_no_cost_and_fits_no_budget(plugin):
    large = plugin("self.dense(x)[..., :1]", units="10**6")
    shown = json.loads(invoke("show", "sees", "--plugin", large, "--json"))
    assert shown["cost"] is None
    assert shown["size"] is None
    assert "no task that it can run fits the budget" in invoke("show", "sees", "--plugin", large)


def test_show_a_task():
    shown = json.loads(invoke("show", "recall", "--json"))
    assert (shown["name"], shown["kind"]) == ("recall", "task")
    assert shown["fields"] == {
        field: getattr(registry.tasks()["recall"], field) for field in shown["fields"]
    }
    assert shown["description"] in invoke("show", "recall")


@pytest.fixture
def results(tmp_path, monkeypatch):
    """A folder of results with one scored trial and one unsupported pair."""
    monkeypatch.setenv("COLUMNS", "200")
    folder = tmp_path / "results"
    store = Store(folder)
    store.write([RECORD, UNSUPPORTED])
    store.write_run(RUN)
    return folder


def test_show_a_folder_of_results(results):
    printed = invoke("show", results)
    assert printed.startswith("quick: Who forgets?\n2 trials of 2 architectures on 1 task")
    assert re.search(r"^ +lstm +≥ 16 \(0\.90\) +20,000", printed, flags=re.MULTILINE)
    assert "\x1b" not in printed
    found = json.loads(invoke("show", results, "--json"))
    (standing,) = found["leaderboard"]
    assert (found["suite"], standing["architecture"]) == ("quick", "lstm")
    assert standing["tasks"]["recall"]["score"] == 0.9
    assert {path.name for path in results.iterdir()} == {"trials", "run.json"}  # as it was


def test_show_a_folder_in_which_nothing_was_scored(results):
    (results / "run.json").write_text(RUN.model_copy(update={"cells": ()}).model_dump_json())
    assert "No trial has been recorded." in invoke("show", results)


def test_show_prefers_names_to_folders(results, monkeypatch):
    monkeypatch.chdir(results.parent)
    results.rename("lstm")
    assert "architecture of" in invoke("show", "lstm")
    assert invoke("show", "./lstm").startswith("quick: ")


def test_compare(results, tmp_path):
    other = tmp_path / "other"
    store = Store(other)
    store.write([RECORD.model_copy(update={"score": 0.8, "device": "cuda"})])
    store.write_run(RUN.model_copy(update={"machine": "arm64"}))
    printed = invoke("compare", results, other)
    assert printed.startswith("1 compared: 1 one seed.\n")
    assert "0.900 → 0.800" in printed
    assert re.search(r"^ +machine +x86_64 +arm64", printed, flags=re.MULTILINE)
    found = json.loads(invoke("compare", results, other, "--json"))
    (change,) = found["changes"]
    assert change["difference"] == pytest.approx(-0.1)
    assert change["p"] is None
    markdown = invoke("compare", results, other, "--markdown")
    assert markdown.startswith("# LagBench: quick → quick\n")
    assert "| recall | lstm | lstm | 16 | 1 | 0.900 | 0.800 | -0.100 |" in markdown


def test_pairs():
    chosen = ("--task", "running_parity", "--architecture", "gru", "--architecture", "bilstm")
    gru, bilstm = json.loads(invoke("pairs", *chosen, "--json"))
    assert gru == {
        "architecture": "gru", "task": "running_parity", "status": "ok", "plan": "step",
        "reason": None,
    }  # fmt: skip
    assert (bilstm["status"], bilstm["plan"]) == ("unsupported", None)
    assert bilstm["reason"].startswith("it reads ahead")
    assert "it reads ahead" in invoke("pairs", *chosen)


def test_pairs_are_all_answered():
    answers = json.loads(invoke("pairs", "--json"))
    assert len(answers) == len(registry.architectures()) * len(registry.tasks())
    for answer in answers:
        assert list(answer) == ["architecture", "task", "status", "plan", "reason"]
        assert answer["status"] in ("ok", "unsupported")
        assert (answer["plan"] is None) == (answer["status"] == "unsupported")
        assert bool(answer["reason"]) == (answer["status"] == "unsupported")


# --- check ------------------------------------------------------------------------------------


def test_check_of_a_sound_layer(plugin):
    printed = invoke("check", plugin(CAUSAL))
    assert "holds           Gradients reach every parameter" in printed
    assert printed.endswith("the contract is kept.\n")
    assert "DOES NOT HOLD" not in printed


def test_check_of_a_layer_that_cheats(plugin):
    printed = invoke("check", plugin(AHEAD), status=1)
    assert re.search(r"DOES NOT HOLD +No output before step t moves .*\[.+\]\n", printed)
    assert printed.endswith("the contract is broken.\n")


def test_check_as_json(plugin):
    (found,) = json.loads(invoke("check", plugin(AHEAD), "--json", status=1))
    assert (found["name"], found["kind"], found["holds"]) == ("sees", "architecture", False)
    broken = {check["name"]: check for check in found["checks"] if not check["holds"]}
    assert "causality" in broken
    assert all(check["sentence"] and check["detail"] for check in broken.values())


def test_check_of_a_name(plugin):
    assert invoke("check", "bag_of_words").startswith("bag_of_words, architecture of ")
    assert invoke("check", "parity").startswith("parity, task of ")
    printed = invoke("check", "sees", "--plugin", plugin(CAUSAL))
    assert printed.startswith("sees, architecture of ")


def test_check_of_a_built_in_file_checks_all_that_it_registers():
    found = json.loads(invoke("check", registry.home("min_gru"), "--json"))
    assert [one["name"] for one in found] == ["min_gru", "min_lstm"]
    assert all(one["holds"] for one in found)


# --- run --plan -------------------------------------------------------------------------------


def test_a_plan_says_what_would_be_done_and_does_nothing(tiny, tmp_path):
    out = tmp_path / "out"
    words = ("run", tiny, "--out", out, "--plan", "--workers", "2")
    printed = json.loads(invoke(*words, "--json"))
    assert (printed["suite"], printed["trains"], printed["unsupported"], printed["trials"]) == (
        "tiny",
        8,
        1,
        32,
    )
    assert printed["seconds"] > 0
    assert printed["workers"] == 2
    assert len(printed["plan"]) == 9
    (unsupported,) = [one for one in printed["plan"] if one["outcome"] == "unsupported"]
    assert "reads ahead" in unsupported["reason"]
    printed = invoke(*words)
    assert re.search(r"^tiny: 8 cells to train, .* with 2 workers, .* core hours\.$", printed, re.M)
    assert "reads ahead" in printed
    assert not out.exists()


# --- bad input --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["show", "lsmt"], "There is no 'lsmt'; did you mean 'lstm'?"),
        (["show", "lstm:layer=2"], "there is no field 'layer'; did you mean 'layers'?"),
        (["show", "lstm:layers=0"], "layers must be at least 1."),
        (["pairs", "--task", "recal"], "There is no task 'recal'; did you mean 'recall'?"),
        (["pairs", "--architecture", "gruu"], "There is no architecture 'gruu';"),
        (["list", "tasks", "--plugin", "absent.py"], "There is no plugin file "),
        (["show", "."], "There is no run in .: it has no run.json."),
        (["compare", ".", "."], "There is no run in .: it has no run.json."),
        (["check", "absent.py"], "There is no plugin file "),
        (["check", "parrity"], "There is no 'parrity'; did you mean 'parity'?"),
        (["run", "x" * 300], f"Error: {'x' * 300} cannot be used: File name too long."),
        (["run", "quik"], "There is no suite 'quik'; did you mean 'quick'?"),
        (["run", "claims"], "'claims' is a folder of suites, to be run one by one: claims/att"),
        (["claims", "--claim", "16"], "There is no claim 16; they are numbered 1 to 15."),
        (["claims", "--suite", "no"], "There is no experiment of a claim in no: those lie in no/"),
        (["claims", "--suite", ".", "--seeds", "2"], "--suite runs nothing: --plan, --set and"),
        (
            ["claims", "--set", "recipe.stepz=1"],
            "there is no 'recipe.stepz'; did you mean 'steps'?",
        ),
        (["run", "--set", "recipe.stepz=1"], "there is no 'recipe.stepz'; did you mean 'steps'?"),
    ],
    ids=" ".join,
)
def test_bad_input_is_one_sentence(words, sentence, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    printed = error_of(monkeypatch, capsys, *words)
    assert sentence in printed
    assert re.fullmatch(r"Error: .+[.?]\n", printed)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("1 +", "does not import: SyntaxError"),
        ("1 / 0", "does not import: ZeroDivisionError: division by zero."),
        ("", "registers no architecture and no task."),
    ],
)
def test_a_bad_plugin_is_one_sentence(text, sentence, monkeypatch, capsys, tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(text, encoding="utf-8")
    printed = error_of(monkeypatch, capsys, "check", str(path))
    assert sentence in printed
    assert re.fullmatch(r"Error: .+[.?]\n", printed)


@pytest.mark.parametrize("words", [["list", "nothing"], ["show"], ["run", "--seeds", "0"], ["no"]])
def test_wrong_usage_is_an_error(words, monkeypatch, capsys):
    printed = error_of(monkeypatch, capsys, *words)
    assert printed.startswith("Usage: ")
    assert "Error: " in printed


# --- speed ------------------------------------------------------------------------------------

SMALL = ("--length", "16", "--width", "4", "--batch", "1")


def test_speed_measures_what_it_can_and_says_why_not_the_rest(tmp_path):
    names = "--architecture", "gru", "--architecture", "conv_lstm"
    printed = json.loads(invoke("speed", *names, *SMALL, "--out", tmp_path, "--json"))
    measured, unsupported = printed["throughput"]
    assert (measured["architecture"], measured["task"]) == ("gru", "selective_copy")
    for price in ("train_tokens_per_second", "train_relative", "decode_ms_per_token",
                  "peak_memory_bytes", "flops_per_token", "state_bytes"):  # fmt: skip
        assert measured[price] > 0
    assert measured["reason"] is None
    assert "it reads frames" in unsupported["reason"]
    assert printed["exponents"] == []
    assert len((tmp_path / "throughput.csv").read_text().splitlines()) == 3
    assert (tmp_path / "figures" / "throughput.svg").exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--architecture", "grru"), "did you mean 'gru'?"),
        (("--architecture", "gru", "--length", "0"), "not 0"),
        (("--architecture", "conv_lstm"), "None of this can be measured: it reads frames"),
        (("--architecture", "gru", "--task", "recal"), "did you mean 'recall'?"),
        (("--architecture", "gru", "--device", "cuda:99"), "There is no device 'cuda:99' here"),
    ],
)
def test_speed_refuses_before_it_measures(monkeypatch, capsys, tmp_path, words, sentence):
    assert sentence in error_of(
        monkeypatch, capsys, "speed", *words, "--out", str(tmp_path / "out")
    )
    assert not (tmp_path / "out").exists()


def test_speed_goes_on_after_a_failure_and_keeps_what_it_has_when_stopped(monkeypatch, tmp_path):
    from lagbench.cost import scaling

    measured = scaling.measure

    def troubled(case, *device):
        if case.length == 32:
            raise RuntimeError("no luck")
        if case.length == 128:
            signal.raise_signal(signal.SIGTERM)
        return measured(case, *device)

    monkeypatch.setattr(scaling, "measure", troubled)
    lengths = [word for length in (16, 32, 64, 128, 256) for word in ("--length", length)]
    words = "speed", "--architecture", "rnn", "--width", 4, "--batch", 1, "--out", tmp_path
    invoke(*words, *lengths, status=128 + signal.SIGTERM)
    kept = (tmp_path / "throughput.csv").read_text().splitlines()[1:]
    assert [row.split(",")[2] for row in kept] == [
        "16",
        "64",
        "32",
    ]  # those not measured at the end
    assert "RuntimeError: no luck" in kept[2]


# --- in a folder with files of the user's own ---------------------------------------------------

MARKER = "from pathlib import Path\nPath({marker!r}).write_text(__file__)\n"


@pytest.fixture
def own_files(tmp_path: Path) -> Path:
    """A folder with files named like ours, which write `imported` when they are imported."""
    folder = tmp_path / "project"
    marker = MARKER.format(marker=str(tmp_path / "imported"))
    for name in (
        "tasks/__init__.py",
        "tasks/recall.py",
        "tasks.py",
        "bench.py",
        "architectures.py",
    ):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(marker, encoding="utf-8")
    return folder


EVERY_COMMAND = """
import json, runpy, sys
for words in json.loads(sys.argv[1]):
    sys.argv = ["lagbench", *words]
    try:
        runpy.run_module("lagbench", run_name="__main__")
    except SystemExit as end:
        assert not end.code, words
"""


def test_files_of_the_user_are_never_imported(own_files: Path, tiny: Path, tmp_path: Path) -> None:
    run = ["run", str(tiny), "--architecture", "gru", "--task", "recall", "--length", "4",
           "--executor", "inline", "--out", "results"]  # fmt: skip
    commands = [
        ["list", "tasks"],
        ["list", "architectures"],
        ["show", "recall"],
        ["pairs", "--task", "recall", "--architecture", "gru"],
        ["data", "recall", "--show", "1"],
        ["check", "gru"],
        run,
        ["report", "results"],
        ["show", "results"],
        ["compare", "results", "results"],
    ]
    path = os.pathsep.join([".", *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-c", EVERY_COMMAND, json.dumps(commands)],
        cwd=own_files,
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (own_files / "results" / "trials.csv").exists()
    assert not (tmp_path / "imported").exists()
