"""Two worker processes against one, both already started."""

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from lagbench import registry
from lagbench.run.executor import configure_single_thread
from lagbench.train.cell import train
from tests.benchmarks.comparison import Comparison
from tests.benchmarks.engine import small_job

CELLS = 4
SETTING = ("gru", 32, 64, 32, 100)  # architecture, width, length, batch, steps


def comparisons() -> Iterator[Comparison]:
    """The same cells, by two workers and by one."""
    context = get_context("spawn")
    with (
        ProcessPoolExecutor(1, context, _prepare) as one,
        ProcessPoolExecutor(2, context, _prepare) as two,
    ):
        yield Comparison(
            name=f"two workers, {CELLS} cells: {SETTING[0]} h{SETTING[1]} T{SETTING[2]}",
            against="one worker",
            ours=_all_cells(two),
            theirs=_all_cells(one),
            target=1.9,
            share=False,
        )


def _all_cells(pool: ProcessPoolExecutor) -> Callable[[], None]:
    def run() -> None:
        for future in [pool.submit(_train) for _ in range(CELLS)]:
            future.result()

    return run


def _prepare() -> None:
    configure_single_thread()
    registry.discover()


def _train() -> None:
    train(small_job(*SETTING))
