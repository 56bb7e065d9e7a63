"""A cell of replicas against as many ordinary Lightning fits, one after another."""

from collections.abc import Callable, Iterator
from functools import partial

from bench.contract import Split
from bench.speed import ordinary
from bench.speed.comparison import Comparison
from bench.speed.engine import small_job
from bench.speed.operations import training_operations
from bench.train.cell import Job, train

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
            theirs=_one_after_another(architecture, job),
            target=target,
            share=False,
            flops=training_operations(job),
        )


def _one_after_another(architecture: str, job: Job) -> Callable[[], None]:
    count = job.recipe.steps * job.recipe.batch_size
    training = ordinary.examples(job, count, Split.TRAIN)
    validation = ordinary.examples(job, VALIDATION, Split.VALIDATION)

    def fits() -> None:
        for seed in job.seeds:
            ordinary.fit(architecture, job, training, validation, seed)

    return fits
