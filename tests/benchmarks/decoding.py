"""Writing answers greedily against the teacher-forced pass over answers that are known."""

from collections.abc import Callable, Iterator

import torch

from lagbench import registry
from lagbench.contract import Split
from lagbench.data.streams import generator
from lagbench.model.assembly import assemble
from lagbench.spec.pairing import Plan, match
from tests.benchmarks.comparison import Comparison

WIDTH, LENGTH, BATCH, AT_LEAST = 64, 32, 128, 0.4
NAMES = (
    "lstm",
    "gru",
    "seq2seq",
    "seq2seq_dot",
    "seq2seq_additive",
    "transformer_causal",
    "transformer_seq2seq",
)


def comparisons() -> Iterator[Comparison]:
    """As many symbols are written as were read; without gradients, as in an evaluation."""
    for name in NAMES:
        greedy, forced = passes(name)
        yield Comparison(
            name=f"greedy decoding: {name} h{WIDTH} T{LENGTH} B{BATCH}",
            against="teacher-forced forward pass",
            ours=greedy,
            theirs=forced,
            target=AT_LEAST,
            share=False,
        )


def passes(name: str) -> tuple[Callable[[], None], Callable[[], None]]:
    """A call that decodes a batch, and one that reads the same batch with its answers."""
    task = registry.task("copy").value
    plan = match(registry.architecture(name).value, task.signature(LENGTH))
    assert isinstance(plan, Plan)
    model = assemble(plan, WIDTH)
    batch = task.sample(LENGTH, BATCH, generator("speed"), Split.TEST)

    @torch.no_grad()
    def greedy() -> None:
        model(batch.source, batch.source_mask, None)

    @torch.no_grad()
    def forced() -> None:
        model(batch.source, batch.source_mask, batch.target)

    return greedy, forced
