"""What the compiled kernels are worth: a cell trained with them, and as if none were compiled."""

from collections.abc import Iterator
from functools import partial

from lagbench.kernels.library import available, without_kernels
from lagbench.train.cell import Job, train
from tests.benchmarks.comparison import Comparison
from tests.benchmarks.engine import small_job
from tests.benchmarks.operations import training_operations

REPLICAS = 8
AT_LEAST = 1.3
SETTINGS = (  # architecture, width, length, batch, steps
    ("rnn", 64, 1024, 8, 20),
    ("gru", 32, 16, 8, 400),
    ("gru", 32, 64, 32, 100),
    ("gru", 64, 256, 32, 30),
    ("lstm", 32, 16, 8, 400),
    ("lstm", 32, 64, 32, 100),
    ("lstm", 64, 256, 32, 30),
    ("transformer", 32, 16, 8, 300),
    ("transformer", 32, 64, 32, 60),
    ("transformer", 32, 256, 32, 10),
)


def comparisons() -> Iterator[Comparison]:
    """Cells of several families and shapes, where kernels are compiled."""
    for architecture, width, length, batch, steps in SETTINGS if available() else ():
        job = small_job(architecture, width, length, batch, steps, replicas=REPLICAS)
        yield Comparison(
            name=f"compiled kernels: {architecture} h{width} T{length} B{batch}",
            against="PyTorch's operations",
            ours=partial(train, job),
            theirs=partial(_plain, job),
            target=AT_LEAST,
            share=False,
            flops=training_operations(job),
        )


def _plain(job: Job) -> None:
    with without_kernels():
        train(job)
