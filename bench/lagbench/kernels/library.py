"""The C++ library of the compiled kernels, built once per machine if there is a compiler.

Without it, every operation runs in its plain form. The two round differently, as two processors
do; a run's versions say which it was.
"""

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import torch
from filelock import FileLock
from platformdirs import user_cache_path
from torch import Tensor

SWITCH = "LAGBENCH_COMPILED"
_SOURCES = sorted(p for p in Path(__file__).parent.iterdir() if p.suffix in (".cpp", ".h"))
_FLAGS = ("-std=c++17", "-O3", "-fno-math-errno", "-ffp-contract=fast", "-shared", "-fPIC")
_LEVELS = {"AVX2": "-march=x86-64-v3", "AVX512": "-march=x86-64-v4"}
_enabled = [True]
_PRECISIONS = {torch.float32: "float", torch.float64: "double"}


def available() -> bool:
    """Whether compiled kernels can run, outside `without_kernels`."""
    return _enabled[-1] and library() is not None


@contextmanager
def without_kernels() -> Iterator[None]:
    """A context in which every operation runs in its plain form, as if there were no compiler."""
    _enabled.append(False)
    try:
        yield
    finally:
        _enabled.pop()


def supported(x: Tensor, width: int | None = None) -> bool:
    """Whether compiled kernels can run on tensors of the device and dtype of `x`.

    width: the length of the rows, for a kernel that needs at least a vector's width.
    """
    if x.device.type != "cpu" or x.dtype not in _PRECISIONS or not available():
        return False
    return width is None or width >= vector_width(x)


def vector_width(x: Tensor) -> int:
    """The number of elements of the dtype of `x` in a vector register."""
    return _vector_bytes() // x.element_size()


def empty_like(x: Tensor) -> Tensor:
    """An uninitialised, contiguous tensor of this shape, for a kernel to write to."""
    return torch.empty_like(x, memory_format=torch.contiguous_format)


def run(name: str, sizes: Sequence[int], *tensors: Tensor | None) -> None:
    """Call the kernel of this name; the tensors that it writes to must be contiguous.

    All floating-point tensors must have one dtype, float32 or float64; else `TypeError`.
    """
    dtypes = {tensor.dtype for tensor in tensors if tensor is not None} & _PRECISIONS.keys()
    if len(dtypes) > 1:
        raise TypeError(f"{name} takes one precision, not {sorted(map(str, dtypes))}.")
    contiguous = [None if tensor is None else tensor.contiguous() for tensor in tensors]
    kernel = getattr(library(), f"{name}_{_PRECISIONS[dtypes.pop()]}")
    with torch._C.DisableTorchFunction():  # so that recorders do not take this for a host read
        pointers = [None if tensor is None else tensor.data_ptr() for tensor in contiguous]
    kernel((ctypes.c_int * len(sizes))(*sizes), (ctypes.c_void_p * len(pointers))(*pointers))


@cache
def library() -> ctypes.CDLL | None:
    """The library, compiled now if this machine has not done so yet; None if that is impossible.

    Environment: `LAGBENCH_COMPILED=0` switches it off; `CXX` names another compiler than `c++`.
    """
    compiler = shutil.which(os.environ.get("CXX", "c++"))
    if compiler is None or os.environ.get(SWITCH) == "0":
        return None
    try:
        return ctypes.CDLL(str(_cached_build(compiler)))
    except (OSError, subprocess.SubprocessError):
        return None


@cache
def _vector_bytes() -> int:
    return int(library().vector_bytes())  # type: ignore[union-attr]


def _cached_build(compiler: str) -> Path:
    """The path of the library, named by a hash of the compiler, its options and the sources."""
    level = _LEVELS.get(torch.backends.cpu.get_cpu_capability())
    command = [compiler, *_FLAGS, *([level] if level else [])]
    options = " ".join([*command, platform.machine()]).encode()
    contents = [source.read_bytes() for source in _SOURCES]
    version = _run_compiler(compiler, "--version")
    key = hashlib.sha256(b"\0".join([options, version, *contents])).hexdigest()[:20]
    folder = user_cache_path("lagbench", ensure_exists=True)
    path = folder / f"kernels-{key}.so"
    with FileLock(folder / "kernels.lock"):
        if not path.exists():
            _build(command, path)
    return path


def _build(command: list[str], path: Path) -> None:
    """Compile the sources in parallel and link them."""
    units = [source for source in _SOURCES if source.suffix == ".cpp"]
    with tempfile.TemporaryDirectory(dir=path.parent) as folder, ThreadPoolExecutor() as pool:
        objects = [str(Path(folder) / f"{unit.name}.o") for unit in units]
        commands = (
            (*command, "-c", str(unit), "-o", output)
            for unit, output in zip(units, objects, strict=True)
        )
        list(pool.map(lambda arguments: _run_compiler(*arguments), commands))
        linked = Path(folder) / path.name
        _run_compiler(*command, *objects, "-o", str(linked))
        linked.replace(path)


def _run_compiler(*command: str) -> bytes:
    return subprocess.run(command, capture_output=True, check=True, timeout=300).stdout  # noqa: S603
