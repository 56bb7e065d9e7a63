"""What is not quite right: suites, command lines, plugins and results, mutated by hypothesis."""

import json
from typing import Any

from hypothesis import strategies as st

from tests.faults.kills import SUITE

Words = list[str]

PLUGIN = '''
"""A layer."""

from dataclasses import dataclass

from torch import nn

from lagbench.contract import Architecture, Mixer
from lagbench.registry import register


class Now(Mixer):
    def __init__(self, width):
        super().__init__()
        self.dense = nn.Linear(width, width)

    def forward(self, x, mask=None):
        return self.dense(x)


@dataclass(frozen=True)
class Sees(Architecture):
    """It sees the present alone."""

    layers: int = 1

    def build(self, width, signature):
        return Now(width)


register("sees", Sees())
register("sees_twice", Sees(layers=2))
'''

COMMANDS = [
    "run quick --length 16 --seeds 2 --set recipe.steps=10 --architecture gru:layers=2 --out out",
    "run quick --task recall:cue=first --workers 2 --executor inline --device cpu",
    "run quick --cell-timeout 3 --cell-memory 2 --wandb offline --project lagbench --json",
    "report out",
    "probe out",
    "data agreement --length 16 --show 2",
    "list tasks --json",
    "show lstm:layers=2",
    "pairs --architecture gru --task copy",
    "check gru",
]

TEXTS = [
    *("", " ", "-", "--", "=", ":", ",", "-1", "0", "1.5", "nan", "inf", "1e999", "9" * 30),
    *("none", "true", "[", "{}", "ü ö", "../..", "/dev/null/x", "lstm", "copy", "quik", "gru:"),
    *("gru:layers", "gru:layers=0", "gru:layers=x", "gru:layers=1,layers=2", "recall:cue=nowhere"),
    *("--seeds", "--outt", "--set", "recipe.stps=3", "budget.width=-3", "tasks.0.name=3", "a\nb"),
    *("\udcff", "\x1b[31m", "x" * 5000, "💥", "[red]", "%s", "{0}", "recipe=3", "seeds.x=1"),
]

VALUES = [
    *('""', '"gru"', '"gruu"', "0", "-1", "1.5", "nan", "inf", "true", "[]", "[[]]", "{}"),
    *("[0]", "[1, 1]", '["gru", "gru"]', '["gru:layers=0"]', '["copy"]', "1979-05-27", "9" * 30),
    *("{ width = 3 }", '[{ name = "recall" }]', '"../../out"', '"💥"', '"[red]\\u0000"', "", "="),
]

CODE = [
    *("None", "3", '"lstm"', '"gru"', "1 / 0", "raise SystemExit(3)", "import sys; sys.exit(0)"),
    *("import nowhere", "register", "Sees", "@dataclass", "lambda: 0"),
    *('raise ValueError("two\\nlines")', "from lagbench.contract import Nothing", "\t", "(", '"""'),
    *('register("lstm", Sees())', 'register("a b", Sees())', "register(3, Sees())", "\x00", "é"),
    *('register("sees", 3)', 'register("x:y", Sees())', "layers: int", "layers: 3 = 1", "del nn"),
    *("import os; os.abort", "raise BaseException", "raise GeneratorExit", "assert False"),
]


@st.composite
def _mutated(draw: st.DrawFn, text: str, pieces: list[str]) -> bytes:
    """A text in one to three places of which something is missing, wrong or too much."""
    lines = text.splitlines()
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(lines) - 1))
        line, piece = lines[at], draw(st.sampled_from(pieces))
        cut = draw(st.integers(0, len(line)))
        changes = {
            "delete": [],
            "repeat": [line, line],
            "insert": [line, piece],
            "replace": [piece],
            "assign": [f"{line.partition('=')[0]}= {piece}"],
            "character": [line[:cut] + draw(st.characters(codec="utf-8")) + line[cut + 1 :]],
            "truncate": [line[:cut]],
            "splice": [line[:cut] + piece + line[cut:]],
        }
        lines[at : at + 1] = changes[draw(st.sampled_from(sorted(changes)))]
        lines = lines or [""]
    content = "\n".join(lines).encode()
    spoilt = st.sampled_from([b"", b"", b"", b"", b"\xff", b"\x00", b"\xef\xbb\xbf"])
    return draw(spoilt) + content


@st.composite
def _command_lines(draw: st.DrawFn) -> Words:
    words = draw(st.sampled_from(COMMANDS)).split()
    for _ in range(draw(st.integers(1, 2))):
        at = draw(st.integers(0, len(words) - 1))
        word = words[at]
        cut = draw(st.integers(0, len(word)))
        junk = draw(st.sampled_from(TEXTS) | st.text(st.characters(exclude_characters="\x00")))
        changes = {
            "delete": [],
            "repeat": [word, word],
            "insert": [word, junk],
            "replace": [junk],
            "misspell": [word[:cut] + word[cut + 1 :]],
            "splice": [word[:cut] + junk + word[cut:]],
        }
        words[at : at + 1] = changes[draw(st.sampled_from(sorted(changes)))]
        words = words or [junk]
    return words


ODD: list[Any] = [
    *(None, True, -1, 0, 0.5, float("inf"), float("nan"), 10**30, "", "x", "../../x", "ü\u0000"),
    *([], {}, [None], {"a": 1}, [[1]], "<script>alert(1)</script>", "x" * 3000, "\ud800", "=1+1"),
]


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """A JSON file that is cut, altered in a byte, or says something else somewhere."""
    how = draw(st.sampled_from(["cut", "byte", "value", "value", "value", "missing", "more"]))
    at = draw(st.integers(0, len(content) - 1))
    if how == "cut":
        return content[:at]
    if how == "byte":
        return content[:at] + bytes([draw(st.integers(0, 255))]) + content[at + 1 :]
    document = json.loads(content)
    inside = document
    while True:
        key = draw(st.sampled_from(range(len(inside)) if isinstance(inside, list) else [*inside]))
        if not (isinstance(inside[key], dict | list) and inside[key] and draw(st.booleans())):
            break
        inside = inside[key]
    if how == "value":
        inside[key] = draw(st.sampled_from(ODD))
    elif how == "missing":
        del inside[key]
    elif isinstance(inside, list):
        inside.append(draw(st.sampled_from(ODD)))
    else:
        inside["unheard of"] = 1
    return json.dumps(document).encode()


SUITES = _mutated(SUITE, VALUES)
PLUGINS = _mutated(PLUGIN, CODE)
COMMAND_LINES = _command_lines()
