"""The device that computes: choosing and naming it, waiting for it, and the memory a call needs."""

import os
import platform
import time
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from lagbench.contract import UserError

os.environ.setdefault("KINETO_LOG_LEVEL", "9")  # else the profiler writes to standard error

CPU = torch.device("cpu")


def validate_device(name: str) -> str:
    """The name, if this machine has the device; raises `UserError` otherwise."""
    cards = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    known = ["cpu", *(["cuda"] if cards else []), *cards]
    if name not in known:
        raise UserError(f"There is no device {name!r} here; there are: {', '.join(known)}.")
    return name


@cache
def device_name(device: str | torch.device) -> str:
    """The model name of the processor or of the accelerator."""
    if torch.device(device).type != "cpu":
        return torch.cuda.get_device_name(device)
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def trainer_options(device: torch.device) -> dict[str, Any]:
    """The arguments of `lightning.Trainer` that choose the device."""
    return {
        "accelerator": "cpu" if device.type == "cpu" else "gpu",
        "devices": 1 if device.index is None else [device.index],
    }


def seconds(call: Callable[[], object], device: torch.device) -> float:
    """Wall time of a call, including what the device computes asynchronously."""
    start = time.perf_counter()
    call()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def peak_memory(
    call: Callable[[], object], resident: Iterable[Tensor], device: torch.device
) -> int:
    """The most bytes that PyTorch's allocator holds during a call, resident tensors included.

    On a GPU, the allocator's own statistic. On the CPU, the profiler's sum of allocated less freed
    bytes, which is the same from run to run, whatever else the process holds.

    resident: tensors that exist before the call, such as parameters and a batch.
    """
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        call()
        return torch.cuda.max_memory_allocated(device)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        call()
    assert profiler.profiler is not None
    results = profiler.profiler.kineto_results
    assert results is not None
    events = [event for event in results.events() if event.name() == "[memory]"]
    held = peak = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        held += event.nbytes()  # negative where memory is freed
        peak = max(peak, held)
    return peak + sum(tensor.numel() * tensor.element_size() for tensor in resident)
