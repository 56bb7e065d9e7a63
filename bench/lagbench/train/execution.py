"""Whether the replicas of a cell run under `torch.func.vmap` or in a loop.

The choice follows from the plan and the device, never from a clock: the same trial must round the
same way twice.
"""

import traceback
from pathlib import Path

import torch
from torch import Tensor, nn

import lagbench
from lagbench.contract import Batch
from lagbench.data.streams import stack
from lagbench.hints import ArchitectureHints
from lagbench.model.assembly import assemble
from lagbench.model.zeros import zeros_like_space
from lagbench.record import Execution
from lagbench.spec.pairing import Plan
from lagbench.train.replicas import VmapReplicas
from lagbench.train.tape import Tapes

_LIBRARIES = tuple(str(Path(module.__path__[0])) for module in (torch, lagbench))
_MESSAGE = 200  # characters of an error that a reason quotes


def choose_execution(
    plan: Plan, width: int, replicas: int, batch_size: int, device: torch.device
) -> tuple[Execution, str | None]:
    """How to run the replicas, and why they run in a loop; None under `vmap`.

    An architecture may declare up to how many steps `B * T` of a batch `vmap` was measured to be
    faster on a CPU. On a GPU, where a step is many launches of little work, it always is. Without
    such a declaration, one training pass decides whether `vmap` can map the core at all.
    """
    if replicas == 1:
        return Execution.LOOP, "There is one replica."
    hints = plan.architecture
    limit = hints.max_vmap_tokens if isinstance(hints, ArchitectureHints) else None
    steps = batch_size * max(plan.signature.steps, plan.signature.target_steps)
    if device.type == "cpu" and limit is not None and steps > limit:
        return Execution.LOOP, f"A batch has {steps} steps, and vmap is faster only up to {limit}."
    reason = vmap_obstacle(plan, width, device) if limit is None else None
    return (Execution.VMAP if reason is None else Execution.LOOP), reason


def vmap_obstacle(plan: Plan, width: int, device: torch.device) -> str | None:
    """Why replicas of a plan cannot train under `torch.func.vmap`, in one sentence; None: they can.

    Runs the forward and backward pass of two replicas on two examples of zeros. The state of
    torch's generators is restored.
    """
    signature = plan.signature
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        replicas = VmapReplicas([assemble(plan, width) for _ in range(2)], device)
        replicas.tapes = Tapes(record=False)
        source = zeros_like_space(signature.source, signature.steps, str(device)).repeat_interleave(
            2, 0
        )
        target = zeros_like_space(signature.target, signature.target_steps, str(device))
        mask = torch.ones_like(source[..., 0] if source.dim() > 2 else source, dtype=torch.bool)
        batch = Batch(source, target.repeat_interleave(2, 0), mask if signature.padded else None)
        buffers = _buffers(replicas)
        versions = [buffer._version for _, buffer in buffers]
        try:
            replicas.backward(stack([batch]), torch.zeros(2, dtype=torch.int64, device=device))
        except Exception as error:  # whatever an author's module raises
            return _cause(error, replicas.models[0].core)
    for (name, buffer), version, (_, now) in zip(
        buffers, versions, _buffers(replicas), strict=True
    ):
        if now is not buffer or now._version != version:
            return f"Training changes the buffer `{name.removeprefix('core.')}`."
    return None


def _buffers(replicas: VmapReplicas) -> list[tuple[str, Tensor]]:
    return [*replicas.models[0].named_buffers(), *replicas.buffers.items()]


def _cause(error: Exception, core: nn.Module) -> str:
    """One sentence: the innermost module and the author's line where an error arose, and what."""
    names = {id(module): name for name, module in core.named_modules() if name}
    frames = [*traceback.walk_tb(error.__traceback__)][::-1]
    modules = (frame.f_locals.get("self") for frame, _ in frames)
    module = next((module for module in modules if id(module) in names), None)
    subject = "torch.func.vmap cannot map its core"
    if module is not None:
        kind = type(module)
        prefix = "nn." if kind.__module__.startswith("torch.nn.") else ""
        subject = f"`{names[id(module)]}` is {prefix}{kind.__qualname__}, which vmap cannot map"
    line = author_line(error)
    message = " ".join(str(error).split()).split(". ")[0].rstrip(".")
    return f"{subject} ({line and f'{line}: '}{type(error).__name__}: {message[:_MESSAGE]})."


def author_line(error: BaseException) -> str:
    """`FILE:LINE` of the innermost frame that is neither PyTorch's nor ours; empty if none is."""
    for frame, line in [*traceback.walk_tb(error.__traceback__)][::-1]:
        file = frame.f_code.co_filename
        if not file.startswith(_LIBRARIES) and Path(file).is_file():
            return f"{Path(file).name}:{line}"
    return ""
