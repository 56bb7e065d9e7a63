"""Floating-point operations: how many a model's products take, and how fast this machine is."""

import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from bench.model.assembly import assemble
from bench.train.cell import Job
from bench.train.data import tensors, training_batches
from bench.train.objective import loss

SIZE = 1024  # of the product that the peak is measured with
ROUNDS = 20


def peak() -> float:
    """Operations a second of a large product in single precision: the best of some rounds."""
    a, b = torch.randn(SIZE, SIZE), torch.randn(SIZE, SIZE)
    out = a @ b
    fastest = math.inf
    for _ in range(ROUNDS):
        start = time.perf_counter()
        torch.mm(a, b, out=out)
        fastest = min(fastest, time.perf_counter() - start)
    return 2 * SIZE**3 / fastest


def training_operations(job: Job) -> float:
    """Of all training steps of all replicas of a job: forward and backward passes."""
    batch = next(training_batches(job.task, job.length, job.seeds[0], job.recipe.batch_size))
    batch = replace(batch, **{name: value.to("meta") for name, value in tensors(batch).items()})
    with torch.device("meta"):
        model = assemble(job.plan, job.width)

    def step() -> None:
        predicted = model(batch.source, batch.source_mask, batch.target)
        total = loss(predicted, batch.target, batch.target_mask, job.plan.signature.target)
        total.backward()  # type: ignore[no-untyped-call]

    return operations(step) * job.recipe.steps * len(job.pairs)


def operations(call: Callable[[], object]) -> float:
    """Of the products and convolutions that are called, counted by their shapes.

    A product and a sum count as two. Left out are activations, what is done number by number (among
    them scans), and Fourier transforms. Attention counts in full, whether or not a mask hides half.

    On a CPU, forward passes alone are counted in full: the kernels of libraries hide what they
    multiply, and of those that a backward pass calls nothing is known. Use the `meta` device then.
    """
    with FlopCounterMode(display=False, custom_mapping=_UNKNOWN) as counter:
        call()
    return float(counter.get_total_flops())


def _accumulated(_: Any, a: torch.Size, b: torch.Size, **_kwargs: Any) -> int:
    return 2 * math.prod(a) * b[-1]


def _recurrent(x: torch.Size, w: torch.Size, u: torch.Size, *_: Any, **_kwargs: Any) -> int:
    """A recurrence over `(T, B, I)`: `w` `(G H, I)` and `u` `(G H, H)` at every step."""
    steps, batch = x[:2]
    return 2 * steps * batch * (math.prod(w) + math.prod(u))


def _attention(q: torch.Size, k: torch.Size, v: torch.Size, *_: Any, **_kwargs: Any) -> int:
    return int(sdpa_flop_count(q, k, v))  # type: ignore[no-untyped-call]


_UNKNOWN = {  # to PyTorch's counter
    torch.ops.aten.addmm_: _accumulated,
    torch.ops.aten.baddbmm_: _accumulated,
    torch.ops.aten.mkldnn_rnn_layer: _recurrent,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention,
}
