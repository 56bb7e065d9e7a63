"""The cost of an untrained model: speed relative to a reference, memory, operations, state."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from lagbench.contract import Batch, Split
from lagbench.cost.timing import BackgroundLoad, Timing, time_interleaved
from lagbench.data.streams import generator, select, tensors, to_device
from lagbench.device import device_name, peak_memory
from lagbench.model.assembly import AutoregressiveModel, Model, assemble
from lagbench.model.operations import forward_operations
from lagbench.model.state import state_at_end
from lagbench.record import Throughput
from lagbench.train.cell import Job
from lagbench.train.objective import loss

REFERENCE = "one torch.nn.LSTM layer, 64 inputs and 64 units, on the same steps and batch"


def throughput(job: Job, names: tuple[str, str], device: torch.device) -> Throughput:
    """Speed in training (forward and backward), inference and decoding; memory; operations; state.

    Tokens are the source and target steps that the model reads. Model and reference are timed on
    the device in interleaved rounds; medians are given, and their ratios, which can be compared
    between machines. names: the architecture's and the task's, for the record.
    """
    model = assemble(job.plan, job.width).to(device)
    size = job.recipe.batch_size
    sample = job.task.value.sample(job.length, size, generator("throughput"), Split.TRAIN)
    batch = to_device(sample, device)
    signature = job.plan.signature
    tokens = signature.steps + (signature.target_steps if job.plan.writes else 0)
    reference = nn.LSTM(64, 64, batch_first=True).to(device)
    x = torch.randn(size, tokens, 64, device=device)
    calls: list[Callable[[], object]] = [
        lambda: train_once(model, batch),
        torch.no_grad()(lambda: model(batch.source, batch.source_mask, batch.target)),
        lambda: _gradient(reference(x)[0].square().mean(), reference),
        torch.no_grad()(lambda: reference(x)),
    ]
    if isinstance(model, AutoregressiveModel):
        calls.append(_decoding_step(model, batch))
    load = BackgroundLoad()
    train, inference, train_reference, inference_reference, *decoding = time_interleaved(
        calls, device
    )
    cores = load.cores()
    resident = [*model.parameters(), *model.buffers(), *tensors(batch).values()]
    state = state_at_end(job.plan, job.width)
    milliseconds = [(1e3 * t.median, 1e3 * t.low, 1e3 * t.high) for t in decoding]
    decode, decode_low, decode_high = milliseconds[0] if milliseconds else (None, None, None)
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
        decode_ms_per_token=decode,
        decode_ms_per_token_low=decode_low,
        decode_ms_per_token_high=decode_high,
        peak_memory_bytes=peak_memory(lambda: train_once(model, batch), resident, device),
        flops_per_token=forward_operations(job.plan, job.width) / tokens,
        state_bytes=None if state is None else int(state.bytes),
        other_cores=cores,
        device=device_name(device),
    )


def train_once(model: Model, batch: Batch) -> None:
    """One forward and one backward pass, without an update."""
    predicted = model(batch.source, batch.source_mask, batch.target)
    _gradient(loss(predicted, batch.target, batch.target_mask, model.signature.target), model)


def _gradient(total: Tensor, module: nn.Module) -> None:
    torch.autograd.grad(total, list(module.parameters()), allow_unused=True)


def _decoding_step(model: AutoregressiveModel, batch: Batch) -> Callable[[], object]:
    """A call that writes the first symbol of one answer, after its source was read."""
    example = select(batch, slice(0, 1))
    with torch.no_grad():
        state, given, _ = model.decode_start(model.embed(example.source), example.source_mask)
    step = torch.zeros(1, 1, dtype=torch.int64, device=given.device)

    @torch.no_grad()
    def write() -> None:
        outputs, _ = model.core.extend(given[:, :1], state)
        model.embed_target.next(model.greedy(model.head(outputs), step))

    return write


def _speed(name: str, tokens: int, timing: Timing) -> dict[str, float]:
    """Tokens per second; the upper quartile of the times is the lower one of the speeds."""
    return {
        name: tokens / timing.median,
        f"{name}_low": tokens / timing.high,
        f"{name}_high": tokens / timing.low,
    }
