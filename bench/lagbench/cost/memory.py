"""The most memory that PyTorch's allocator holds at once during a call."""

import os
from collections.abc import Callable

import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

os.environ.setdefault("KINETO_LOG_LEVEL", "9")  # else the profiler writes to standard error


def peak_memory(call: Callable[[], object], resident: list[Tensor], device: torch.device) -> int:
    """Bytes at the peak: what is there before the call, and what the call holds beside it.

    On a GPU, what its allocator says. On the CPU, the sum of all that is allocated less what is
    freed, as the profiler sees it happen: the same from run to run, whatever else the process
    holds, and without what a library takes for itself past the allocator.

    resident: what is there before, such as parameters and a batch; counted by itself on the CPU.
    """
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        call()
        return torch.cuda.max_memory_allocated(device)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        call()
    held = peak = 0
    for change in _changes(profiler):
        held += change
        peak = max(peak, held)
    return peak + sum(one.numel() * one.element_size() for one in resident)


def _changes(profiler: profile) -> list[int]:
    """Bytes allocated (more than 0) and freed (less), in order of time."""
    assert profiler.profiler is not None
    found = profiler.profiler.kineto_results
    assert found is not None
    events = [event for event in found.events() if event.name() == "[memory]"]
    events.sort(key=lambda event: event.start_ns())
    return [event.nbytes() for event in events]  # type: ignore[attr-defined]
