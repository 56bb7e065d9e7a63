"""What an untrained model costs, beside a reference, in a process that does nothing else."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from lagbench.contract import Batch, Split
from lagbench.cost.background import BackgroundLoad
from lagbench.cost.memory import peak_memory
from lagbench.cost.timing import Timing, time_interleaved
from lagbench.data.streams import generator, select, tensors, to_device
from lagbench.model.assembly import Model, WritingModel, assemble
from lagbench.model.operations import forward_operations
from lagbench.model.state import Size, state_at_end
from lagbench.record import Throughput
from lagbench.train.cell import Job
from lagbench.train.objective import loss

REFERENCE = "one torch.nn.LSTM layer, 64 inputs and 64 units, on the same steps and batch"


def throughput(
    job: Job, names: tuple[str, str], device_name: str, device: torch.device | None = None
) -> Throughput:
    """Speed in training (forward and backward), inference and decoding; memory; operations; state.

    Tokens are the source and target steps that the model reads. Model and reference are timed in
    turn, after a warm-up; medians are given, and their ratios, which survive another machine.
    names: the architecture's and the task's, for the record.
    """
    device = device or torch.device("cpu")
    model = assemble(job.plan, job.width).to(device)
    size = job.recipe.batch_size
    drawn = job.task.value.sample(job.length, size, generator("throughput"), Split.TRAIN)
    batch = to_device(drawn, device)
    signature = job.plan.signature
    tokens = signature.steps + (signature.target_steps if job.plan.writes else 0)
    others = BackgroundLoad()
    timings = time_interleaved([*_calls(model, batch), *_reference(size, tokens, device)], device)
    cores = others.cores()
    train, inference = timings[0], timings[1]
    train_reference, inference_reference = timings[-2:]
    resident = [*model.parameters(), *model.buffers(), *tensors(batch).values()]
    return Throughput(
        architecture=names[0],
        task=names[1],
        length=job.length,
        batch=size,
        tokens_per_example=tokens,
        **_speed("train_tokens_per_second", size * tokens, train),
        **_speed("inference_tokens_per_second", size * tokens, inference),
        train_relative=train_reference.median / train.median,
        inference_relative=inference_reference.median / inference.median,
        **(_decoding(timings[2]) if isinstance(model, WritingModel) else {}),
        peak_memory_bytes=peak_memory(lambda: train_once(model, batch), resident, device),
        flops_per_token=forward_operations(job.plan, job.width) / tokens,
        state_bytes=_bytes(state_at_end(job.plan, job.width)),
        other_cores=cores,
        device=device_name,
    )


def _calls(model: Model, batch: Batch) -> list[Callable[[], None]]:
    """Training, inference and, where the model writes its answer, decoding."""
    calls = [lambda: train_once(model, batch), lambda: _infer(model, batch)]
    return [*calls, _writing(model, batch)] if isinstance(model, WritingModel) else calls


def _reference(size: int, tokens: int, device: torch.device) -> list[Callable[[], None]]:
    """The same of `REFERENCE`, but for decoding."""
    reference = nn.LSTM(64, 64, batch_first=True).to(device)
    x = torch.randn(size, tokens, 64, device=device)
    return [
        lambda: _backward(reference(x)[0].square().mean(), reference),
        lambda: _without_gradient(lambda: reference(x)[0]),
    ]


def train_once(model: Model, batch: Batch) -> None:
    """One forward and one backward pass, without an update."""
    predicted = model(batch.source, batch.source_mask, batch.target)
    _backward(loss(predicted, batch.target, batch.target_mask, model.signature.target), model)


def _infer(model: Model, batch: Batch) -> None:
    _without_gradient(lambda: model(batch.source, batch.source_mask, batch.target))


def _writing(model: WritingModel, batch: Batch) -> Callable[[], None]:
    """Writing the first symbol of one answer; its source is read once, before."""
    one = select(batch, slice(0, 1))
    with torch.no_grad():
        state, given, _ = model.opening(model.embed(one.source), one.source_mask)
    step = torch.zeros(1, 1, dtype=torch.int64, device=given.device)

    def write() -> None:
        outputs, _ = model.core.extend(given[:, :1], state)
        model.embed_target.next(model.likeliest(model.head(outputs), step))

    return lambda: _without_gradient(write)


def _backward(total: Tensor, module: nn.Module) -> None:
    torch.autograd.grad(total, list(module.parameters()), allow_unused=True)


def _without_gradient(call: Callable[[], object]) -> None:
    with torch.no_grad():
        call()


def _bytes(size: Size | None) -> int | None:
    return None if size is None else int(size.bytes)


def _speed(name: str, tokens: int, timing: Timing) -> dict[str, float]:
    """Tokens per second; the slower quartile of the times is the lower one of the speeds."""
    return {
        name: tokens / timing.median,
        f"{name}_low": tokens / timing.high,
        f"{name}_high": tokens / timing.low,
    }


def _decoding(timing: Timing) -> dict[str, float]:
    return {
        "decode_ms_per_token": 1e3 * timing.median,
        "decode_ms_per_token_low": 1e3 * timing.low,
        "decode_ms_per_token_high": 1e3 * timing.high,
    }
