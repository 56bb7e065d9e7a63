"""This machine: commit of the checkout, devices, versions, and a limit on memory."""

import platform
import subprocess
from functools import cache
from importlib.metadata import version
from pathlib import Path

from lagbench.kernels.library import library

LIBRARIES = ("torch", "pytorch-lightning", "torchmetrics", "datasets", "wandb", "pandas", "numpy")


@cache
def commit() -> str | None:
    """The commit of this checkout, marked where it was changed; None outside of one."""
    root = Path(__file__).parents[3]
    if _git(root, "rev-parse", "--show-toplevel") != str(root.resolve()):
        return None
    return _git(root, "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*")


def versions() -> dict[str, str]:
    """Python's and the main libraries' versions, and whether our kernels are compiled."""
    kernels = "not compiled" if library() is None else "compiled"
    libraries = {name: version(name) for name in LIBRARIES}
    return {"python": platform.python_version(), **libraries, "kernels": kernels}


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        answer = subprocess.run(  # noqa: S603  the arguments are this file's own
            ["git", *arguments],  # noqa: S607
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()


@cache  # once per process: what it used before its first cell counts
def limit_memory(allowance: int) -> None:
    """Limit this process to so many bytes on top of what it uses now. Linux only.

    An allocation beyond raises an exception; the process is not killed.
    """
    import resource  # there is none on Windows

    status = Path("/proc/self/status").read_text(encoding="ascii")
    (used,) = (int(line.split()[1]) for line in status.splitlines() if line.startswith("VmData:"))
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (used * 1024 + allowance, hard))
