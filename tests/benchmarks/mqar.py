"""Associative recall as in Zoology, where few positions are asked for, against a bare loop."""

from collections.abc import Iterator
from functools import partial

from lagbench.train.cell import train
from tests.benchmarks.comparison import Comparison
from tests.benchmarks.engine import bare, small_job

WIDTH, LENGTH, BATCH, STEPS = 64, 64, 64, 20


def comparisons() -> Iterator[Comparison]:
    """Two layers of attention (Arora et al. 2023); the loop's head answers at every position."""
    job = small_job("transformer_causal", WIDTH, LENGTH, BATCH, STEPS, task="mqar")
    yield Comparison(
        name=f"mqar: transformer_causal d{WIDTH} T{LENGTH} B{BATCH}",
        against="bare PyTorch loop, the head on every position",
        ours=partial(train, job),
        theirs=partial(bare, job),
        target=1.25,
        share=False,
    )
