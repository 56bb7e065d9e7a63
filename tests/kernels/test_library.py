"""How the library is built, once; what happens where it cannot be; and its numbers' edges."""

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from lagbench.kernels import library as kernels
from lagbench.kernels.gru import gru_scan
from lagbench.kernels.lstm import lstm_scan
from lagbench.kernels.rnn import rnn_scan

compiled = pytest.mark.skipif(kernels.library() is None, reason="there is no C++ compiler here")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(kernels, "user_cache_path", lambda *_, **__: tmp_path)
    return tmp_path


def build() -> object:
    return kernels.library.__wrapped__()


def compiler(folder: Path, script: str) -> str:
    path = folder / "compiler"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


@pytest.mark.skipif(
    shutil.which(os.environ.get("CXX", "c++")) is None or os.environ.get(kernels.SWITCH) == "0",
    reason="there is no C++ compiler here, or it is switched off",
)
def test_the_sources_compile() -> None:
    assert kernels.library() is not None


@compiled
def test_it_is_built_once_and_leaves_nothing_else(folder: Path) -> None:
    assert build() is not None
    (output,) = folder.glob("kernels-*.so")
    written = output.stat().st_mtime_ns
    assert build() is not None
    assert output.stat().st_mtime_ns == written
    assert {path.name for path in folder.iterdir()} <= {output.name, "kernels.lock"}


@compiled
def test_another_source_is_another_library(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build()
    more = folder / "more.h"
    more.write_text("// something else\n")
    monkeypatch.setattr(kernels, "_SOURCES", [*kernels._SOURCES, more])
    build()
    assert len(list(folder.glob("kernels-*.so"))) == 2


@compiled
@pytest.mark.slow
def test_processes_that_begin_together_build_it_together(tmp_path: Path) -> None:
    program = "from lagbench.kernels.library import library; assert library() is not None"
    started = [
        subprocess.Popen(
            [sys.executable, "-c", program], env=os.environ | {"XDG_CACHE_HOME": str(tmp_path)}
        )
        for _ in range(4)
    ]
    assert [process.wait(timeout=120) for process in started] == [0] * 4
    assert len(list(tmp_path.rglob("kernels-*.so"))) == 1


@pytest.mark.parametrize("script", ["exit 1", "echo version; test $1 = --version", "echo version"])
def test_a_compiler_that_fails_is_done_without(
    script: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXX", compiler(folder, script))
    assert build() is None
    assert not list(folder.glob("*.so"))


def test_no_compiler_is_done_without(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert build() is None


def test_it_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(kernels.SWITCH, "0")
    assert build() is None


def test_a_cache_that_cannot_be_written_is_done_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(kernels, "user_cache_path", lambda *_, **__: tmp_path / "file" / "below")
    assert build() is None


def test_without_a_library_nothing_is_served(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "library", lambda: None)
    assert not kernels.supported(torch.zeros(64), 64)


@compiled
def test_what_is_served() -> None:
    assert kernels.supported(torch.zeros(1))
    assert kernels.supported(torch.zeros(1), 64)
    assert not kernels.supported(torch.zeros(1), 1)
    assert not kernels.supported(torch.zeros(1, dtype=torch.float16))
    assert not kernels.supported(torch.zeros(1, device="meta"))


@compiled
def test_precisions_are_not_mixed() -> None:
    x, weight, state = torch.zeros(2, 3, 64), torch.zeros(64, 64).double(), torch.zeros(2, 64)
    with pytest.raises(TypeError, match=r"rnn takes one precision"):
        rnn_scan(x, weight, state)


def states(x: torch.Tensor) -> dict[str, torch.Tensor]:
    """Of a step from nothing, with pre-activations `x` `(H,)` in every gate and no weights."""
    H = len(x)

    def step(gates: int) -> tuple[torch.Tensor, ...]:
        steps = x.repeat(gates).expand(2, 3, -1).contiguous()
        return steps, x.new_zeros(gates * H, H), x.new_zeros(2, H)

    (rnn, *first), (gru, w, h), (lstm, *four) = step(1), step(3), step(4)
    return {
        "tanh": rnn_scan(rnn, *first),
        "relu": rnn_scan(rnn, *first, relu=True),
        "gru": gru_scan(gru, w, x.new_zeros(H), h),
        "lstm": lstm_scan(lstm, *four, x.new_zeros(2, H))[0],
    }


@compiled
@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_numbers_of_any_size(kind: torch.dtype) -> None:
    sizes = [0, 1e-30, 1e-6, 0.01, 0.5, 1, 3, 8, 20, 60, 90, 1e4, 1e30, torch.inf]
    x = torch.tensor([sign * size for size in sizes for sign in (1, -1)], dtype=torch.float64)
    actual = {name: state[0, 0].double() for name, state in states(x.to(kind)).items()}
    x = x.to(kind).double()
    cell = x.sigmoid() * x.tanh()
    exact = {
        "tanh": x.tanh(),
        "relu": x.relu(),
        "gru": (1 - x.sigmoid()) * x.tanh(),
        "lstm": x.sigmoid() * cell.tanh(),
    }
    bits = 4 * torch.finfo(kind).eps
    for name, expected in exact.items():
        nothing = bits if name == "gru" else bits**2  # n - z n, where z is nearly one
        torch.testing.assert_close(actual[name], expected, rtol=bits, atol=nothing)


@compiled
@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_what_is_not_a_number_stays_so(kind: torch.dtype) -> None:
    x = torch.zeros(40, dtype=kind)
    x[[0, 17, 39]] = torch.nan
    for name, state in states(x).items():
        assert state[0, 0].isnan().tolist() == x.isnan().tolist(), name
