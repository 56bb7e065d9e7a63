"""Linear recurrences over long sequences, against the same mixers with a scan over logarithms."""

from collections.abc import Iterator
from unittest.mock import patch

import torch
from torch import Tensor

from lagbench import registry
from lagbench.contract import Mixer
from tests.benchmarks.comparison import Comparison
from tests.benchmarks.layers import pass_through

WIDTH, STEPS, BATCH, TARGET = 64, 4096, 1, 5.0


def comparisons() -> Iterator[Comparison]:
    """One mixer of each, forward and backward; the rival differs in its scan alone.

    Without the block around it: norm and MLP have no part in the recurrence, and cost a
    minGRU twice what it costs itself.
    """
    for name, place, rival in (
        ("min_gru", "lagbench.architectures.minimal.linear_scan", log_scan),
        ("lru", "lagbench.architectures.lru.linear_scan", log_scan),
        ("mamba", "lagbench.architectures.mamba.selective_scan", selective_log_scan),
    ):
        call = pass_through(_mixer(name), torch.randn(BATCH, STEPS, WIDTH, requires_grad=True))
        yield Comparison(
            name=f"linear recurrence: {name} h{WIDTH} T{STEPS} B{BATCH}",
            against="scan over logarithms in plain PyTorch",
            ours=call,
            theirs=patch(place, rival)(call),
            target=TARGET,
            share=False,
        )


def log_scan(a: Tensor, b: Tensor, initial: Tensor | None = None) -> Tensor:
    """All `h_t = a_t ⊙ h_{t-1} + b_t` from zeros, as `exp(A_t + logcumsumexp(log b - A)_t)`.

    `A` is the sum of `log a` so far (Heinsen 2023, "Efficient parallelization of a ubiquitous
    sequential computation"). Real `b` are taken without their signs, as minGRU's authors make them
    positive: the scan is the cheapest of its kind, and what it gives is not what ours gives.
    """
    assert initial is None
    sums = a.log().expand_as(b).cumsum(1)
    terms = b.log() if b.is_complex() else b.abs().clamp(min=1e-20).log()
    return (sums + torch.logcumsumexp(terms - sums, 1)).exp()


def selective_log_scan(
    delta: Tensor, x: Tensor, A: Tensor, B: Tensor, C: Tensor, initial: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """`y` `(B, T, E)` and the last state `(B, E, N)` of a selective scan, all states at once."""
    assert initial is None
    terms = (delta * x)[..., None] * B[:, :, None]
    states = log_scan(torch.exp(delta[..., None] * A), terms)
    return (states * C[:, :, None]).sum(-1), states[:, -1]


def _mixer(name: str) -> Mixer:
    signature = registry.task("recall").value.signature(STEPS)
    core = registry.architecture(f"{name}:layers=1").value.build(WIDTH, signature)
    mixer = core.get_submodule("blocks.0.mixer")
    assert isinstance(mixer, Mixer)
    return mixer
