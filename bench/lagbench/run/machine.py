"""What a run ran on: commit, processor, versions."""

import platform
import subprocess
from functools import cache
from importlib.metadata import version
from pathlib import Path

import torch

from lagbench.contract import UserError
from lagbench.kernels.library import library

LIBRARIES = ("torch", "pytorch-lightning", "torchmetrics", "datasets", "wandb", "pandas", "numpy")


@cache
def commit() -> str | None:
    """The commit of this checkout, marked where it was changed; None outside of one."""
    root = Path(__file__).parents[3]
    if _git(root, "rev-parse", "--show-toplevel") != str(root.resolve()):
        return None
    return _git(root, "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*")


@cache
def device_name(device: str) -> str:
    """What computes: the processor's or the accelerator's own name."""
    if device != "cpu":
        return torch.cuda.get_device_name(device)
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def known_device(device: str) -> str:
    """The device, if this machine can compute on it; `UserError` otherwise."""
    cards = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    known = ["cpu", *(["cuda"] if cards else []), *cards]
    if device not in known:
        raise UserError(f"There is no device {device!r} here; there are: {', '.join(known)}.")
    return device


def versions() -> dict[str, str]:
    """Python's and the main libraries' versions, and whether our kernels are compiled."""
    kernels = "not compiled" if library() is None else "compiled"
    found = {name: version(name) for name in LIBRARIES}
    return {"python": platform.python_version(), **found, "kernels": kernels}


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
