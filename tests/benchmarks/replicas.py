"""A cell of replicas against as many ordinary Lightning fits, one after another."""

from collections.abc import Iterator
from functools import partial

from lagbench.train.cell import train
from tests.benchmarks.comparison import Comparison
from tests.benchmarks.engine import small_job
from tests.benchmarks.lightning_baseline import Fits
from tests.benchmarks.operations import training_operations

REPLICAS = 8
VALIDATION = 500  # examples, evaluated once
SETTINGS = (  # architecture, width, length, batch, steps, at least
    ("rnn", 32, 16, 32, 400, 8.0),
    ("gru", 32, 64, 32, 150, 4.5),
    ("gru", 64, 256, 32, 30, 2.5),
    ("lstm", 32, 16, 8, 400, 10.0),
    ("lstm", 32, 64, 32, 200, 1.9),
    ("transformer", 32, 16, 8, 300, 5.0),
    ("transformer", 32, 64, 16, 100, 1.4),
)


def comparisons() -> Iterator[Comparison]:
    """Seven cells of different families and shapes."""
    for architecture, width, length, batch, steps, target in SETTINGS:
        job = small_job(
            architecture, width, length, batch, steps, replicas=REPLICAS, validation=VALIDATION
        )
        yield Comparison(
            name=f"{REPLICAS} replicas: {architecture} h{width} T{length} B{batch}",
            against=f"{REPLICAS} ordinary Lightning fits",
            ours=partial(train, job),
            theirs=Fits(architecture, job, VALIDATION),
            target=target,
            share=False,
            flops=training_operations(job),
        )
