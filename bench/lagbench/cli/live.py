"""The live table of a run."""

import time
from collections.abc import Sequence

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from lagbench.record import CellId, Record, Status
from lagbench.report.wording import duration
from lagbench.run.estimate import describe_estimate, predict, summarise_estimates
from lagbench.run.executor import Event, Finished
from lagbench.run.runner import Watcher
from lagbench.spec.cell import Cell


class LiveTable(Watcher):
    """Every cell of a run by task, architecture and length: state, score so far, time left.

    Where the console is no terminal, a line is printed for each cell that is done.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self.states: dict[CellId, Text] = {}
        self.costs: dict[CellId, float] = {}
        self.shares: dict[CellId, float] = {}  # how much of a cell is done
        self.cells: dict[CellId, Cell] = {}
        self.warnings: list[str] = []
        self.kept = 0  # cells whose records are in the store
        self.done: set[CellId] = set()
        self.started = time.monotonic()
        self.phase = ""
        self.live = Live(
            console=console, get_renderable=self._render, refresh_per_second=2, transient=True
        )

    def __enter__(self) -> "LiveTable":
        if self.console.is_terminal:
            self.live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self.console.is_terminal:
            self.live.stop()

    def planned(self, missing: list[Cell], present: list[list[Record]]) -> None:
        """Lay out the table."""
        for records in present:
            first = records[0]
            self.states[first.architecture, first.task, first.length] = _outcome(records)
        for cell in missing:
            self.states[cell.cell_id] = Text("·", style="dim")
            self.costs[cell.cell_id] = cell.cost
            self.shares[cell.cell_id] = 0.0
            self.cells[cell.cell_id] = cell
        self.kept = len(present)
        self.phase = f"{len(missing)} cells to train, {len(present)} there already"
        self.console.print(
            describe_estimate(summarise_estimates([*map(predict, missing)], len(present)))
        )

    def missing_weights(self, count: int) -> None:
        """Say why cells that are there already are trained again."""
        if count:
            cells = "1 of them is" if count == 1 else f"{count} of them are"
            self.console.print(f"{cells} there without weights, and trained again to keep those")

    def on_event(self, event: Event) -> None:
        """Show a cell's best score so far; what comes late of a cell that is done is old."""
        if event.cell_id in self.done:
            return
        if not event.points:
            self.states[event.cell_id] = Text("▶", style="yellow")
            return
        best = max(point.validation_score for point in event.points.values())
        self.states[event.cell_id] = Text(f"▶ {best:.2f}", style="yellow")
        trial, point = next(iter(event.points.items()))
        self.shares[event.cell_id] = self.cells[event.cell_id].share(trial, point.step)

    def finished(self, done: Finished) -> None:
        """Show the outcome of a cell."""
        self.states[done.cell.cell_id] = _outcome(done.records)
        self.shares[done.cell.cell_id] = 1.0
        self.done.add(done.cell.cell_id)
        self.kept += 1
        if done.warning is not None:
            self.warned(done.warning)
        if not self.console.is_terminal:
            architecture, task, length = done.cell.cell_id
            outcome = self.states[done.cell.cell_id].plain
            self.console.print(f"{task} {length} {architecture}: {outcome}; {self._time_left()}")

    def warned(self, sentence: str) -> None:
        """Keep a warning until the table is closed."""
        if sentence not in self.warnings:
            self.warnings.append(sentence)

    def measured(self, done: int, total: int) -> None:
        """Show how far the measurement of throughput is."""
        self.phase = f"measuring throughput: {done} of {total}"
        if done == 0 and not self.console.is_terminal:
            self.console.print(f"measuring the throughput of {total} cells")

    def _render(self) -> RenderableType:
        tables = [
            self._table(task) for task in dict.fromkeys(cell_id[1] for cell_id in self.states)
        ]
        return Group(*tables, Text(f"{self.phase}; {self._time_left()}"))

    def _table(self, task: str) -> Table:
        cell_ids = [cell_id for cell_id in self.states if cell_id[1] == task]
        lengths = sorted({length for _, _, length in cell_ids})
        table = Table("architecture", *(str(length) for length in lengths), title=task)
        for architecture in dict.fromkeys(cell_id[0] for cell_id in cell_ids):
            states = (self.states.get((architecture, task, length), Text()) for length in lengths)
            table.add_row(architecture, *states)
        return table

    def _time_left(self) -> str:
        elapsed = time.monotonic() - self.started
        total = sum(self.costs.values())
        done = sum(self.costs[cell_id] * share for cell_id, share in self.shares.items())
        if not done:
            return f"{duration(elapsed)} so far"
        return f"{duration(elapsed)} so far, about {duration(elapsed * (total / done - 1))} left"


def _outcome(records: Sequence[Record]) -> Text:
    scores = [record.score for record in records if record.score is not None]
    if scores:
        return Text(f"{sum(scores) / len(scores):.2f}", style="green")
    status = records[0].status
    return Text(status, style="dim" if status is Status.UNSUPPORTED else "red")
