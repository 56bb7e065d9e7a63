"""A small C++ library, built once a machine where there is a compiler.

Everything works without: where nothing is served, the same is done by PyTorch's operations. Both
round differently, as two processors do; which it was stands among a run's versions.
"""

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock
from platformdirs import user_cache_path
from torch import Tensor

SWITCH = "LAGBENCH_COMPILED"
_SOURCES = sorted(p for p in Path(__file__).parent.iterdir() if p.suffix in (".cpp", ".h"))
_FLAGS = ("-std=c++17", "-O3", "-fno-math-errno", "-ffp-contract=fast", "-shared", "-fPIC")
_LEVELS = {"AVX2": "-march=x86-64-v3", "AVX512": "-march=x86-64-v4"}
_OPERATIONS = torch.library.Library("lagbench", "FRAGMENT")  # type: ignore[no-untyped-call]
_wanted = [True]
_PRECISIONS = {torch.float32: "float", torch.float64: "double"}


def available() -> bool:
    """Whether there are compiled kernels, and `without_kernels` does not do without."""
    return _wanted[-1] and library() is not None


@contextmanager
def without_kernels() -> Iterator[None]:
    """Inside, nothing is served, as if there were no compiler: to measure what they are worth."""
    _wanted.append(False)
    try:
        yield
    finally:
        _wanted.pop()


def serves(x: Tensor, width: int | None = None) -> bool:
    """Whether compiled kernels take tensors such as `x`.

    width: the shortest row that a kernel goes over by vectors, where it needs one as wide as these.
    """
    if x.device.type != "cpu" or x.dtype not in _PRECISIONS or not available():
        return False
    return width is None or width >= lanes(x)


def lanes(x: Tensor) -> int:
    """How many numbers such as those of `x` are in a vector of the kernels."""
    return _vector_bytes() // x.element_size()


def operation(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make a function one of PyTorch's operations, which a recorded pass sees and can repeat."""
    schema = torch.library.infer_schema(function, mutates_args=())
    name = _OPERATIONS.define(function.__name__ + schema)  # type: ignore[no-untyped-call]
    _OPERATIONS.impl(name, function, "CPU")  # type: ignore[no-untyped-call]
    operation: Callable[..., Any] = getattr(torch.ops.lagbench, name).default
    return operation


def like(x: Tensor) -> Tensor:
    """Uninitialised memory of this shape, and dense, for a kernel to write to."""
    return torch.empty_like(x, memory_format=torch.contiguous_format)


def run(name: str, sizes: Sequence[int], *tensors: Tensor | None) -> None:
    """Run a kernel on tensors of one precision; the last, which it writes to, have to be dense."""
    precisions = {each.dtype for each in tensors if each is not None} & _PRECISIONS.keys()
    if len(precisions) > 1:
        raise TypeError(f"{name} takes one precision, not {sorted(map(str, precisions))}.")
    dense = [None if each is None else each.contiguous() for each in tensors]
    kernel = getattr(library(), f"{name}_{_PRECISIONS[precisions.pop()]}")
    with torch._C.DisableTorchFunction():  # a recorded pass minds who asks where memory is
        places = [None if each is None else each.data_ptr() for each in dense]
    kernel((ctypes.c_int * len(sizes))(*sizes), (ctypes.c_void_p * len(places))(*places))


@cache
def library() -> ctypes.CDLL | None:
    """The library, built now if this machine has not built it yet; None where that is not possible.

    `LAGBENCH_COMPILED=0` does without it, and `CXX` names another compiler than `c++`.
    """
    compiler = shutil.which(os.environ.get("CXX", "c++"))
    if compiler is None or os.environ.get(SWITCH) == "0":
        return None
    try:
        return ctypes.CDLL(str(_built(compiler)))
    except (OSError, subprocess.SubprocessError):
        return None


@cache
def _vector_bytes() -> int:
    return int(library().vector_bytes())  # type: ignore[union-attr]


def _built(compiler: str) -> Path:
    """The library's file, named after all that it depends on."""
    level = _LEVELS.get(torch.backends.cpu.get_cpu_capability())
    command = [compiler, *_FLAGS, *([level] if level else [])]
    sources = [source.read_bytes() for source in _SOURCES]
    parts = [" ".join([*command, platform.machine()]).encode(), _told(compiler, "--version")]
    key = hashlib.sha256(b"\0".join([*parts, *sources])).hexdigest()[:20]
    folder = user_cache_path("lagbench", ensure_exists=True)
    path = folder / f"kernels-{key}.so"
    with FileLock(folder / "kernels.lock"):
        if not path.exists():
            _build(command, path)
    return path


def _build(command: list[str], path: Path) -> None:
    """Compile every unit, beside the others, and join them."""
    with tempfile.TemporaryDirectory(dir=path.parent) as folder, ThreadPoolExecutor() as pool:

        def compiled(unit: Path) -> str:
            made = str(Path(folder) / f"{unit.name}.o")
            _told(*command, "-c", str(unit), "-o", made)
            return made

        objects = list(pool.map(compiled, (unit for unit in _SOURCES if unit.suffix == ".cpp")))
        made = Path(folder) / path.name
        _told(*command, *objects, "-o", str(made))
        made.replace(path)


def _told(*command: str) -> bytes:
    """What a compiler says."""
    done = subprocess.run(command, capture_output=True, check=True, timeout=300)  # noqa: S603
    return done.stdout
