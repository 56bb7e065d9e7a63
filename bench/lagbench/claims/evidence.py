"""The evidence: what the experiments have stored, and quantities read off it, a value a seed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lagbench.cost.step_time import Shape
from lagbench.record import Record, StepTime

Values = dict[int, float]
"""By seed, or by round of a timing."""


@dataclass(frozen=True)
class Evidence:
    """The records of every experiment by its name, and how fast models were on this machine."""

    records: dict[str, list[Record]]
    step_times: list[StepTime]

    def trials(self, experiment: str, architecture: str, task: str, length: int) -> list[Record]:
        """The scored trials of one cell: those of the rate that validation chose."""
        wanted = architecture, task, length
        return [
            record
            for record in self.records.get(experiment, [])
            if record.selected and (record.architecture, record.task, record.length) == wanted
        ]


@dataclass(frozen=True)
class Quantity:
    """Something that was measured, in words, and where it is read.

    experiment: the suite `claims/EXPERIMENT`; "" for what is timed. shape: what is timed.
    """

    name: str
    experiment: str
    values: Callable[[Evidence], Values]
    shape: Shape | None = None


def measured(
    name: str,
    experiment: str,
    cell: tuple[str, str, int],
    read: Callable[[Record], float | None],
) -> Quantity:
    """What `read` finds in each scored trial of a cell: an architecture, a task, a length."""

    def values(evidence: Evidence) -> Values:
        by_seed = {record.seed: read(record) for record in evidence.trials(experiment, *cell)}
        return {seed: value for seed, value in sorted(by_seed.items()) if value is not None}

    architecture, task, length = cell
    return Quantity(f"{name}: {architecture}, {task} {length}", experiment, values)


def score(experiment: str, architecture: str, task: str, length: int) -> Quantity:
    """The score on test, 0 for guessing and 1 for solved."""
    cell = architecture, task, length
    return measured("score", experiment, cell, lambda record: record.score)


def exact_match(experiment: str, architecture: str, task: str, length: int) -> Quantity:
    """The share of answers that are right as a whole."""
    cell = architecture, task, length
    return measured("answers right", experiment, cell, lambda record: record.exact_match)


def parameters(experiment: str, architecture: str, task: str, length: int) -> Quantity:
    """How many numbers were trained."""
    cell = architecture, task, length
    return measured("parameters", experiment, cell, lambda record: record.parameters)


def probed(
    name: str,
    experiment: str,
    cell: tuple[str, str, int],
    probe: str,
    read: Callable[[dict[float, float]], float | None],
) -> Quantity:
    """What `read` finds in the curve of a probe, a value at each x; nothing where there is none."""

    def read_record(record: Record) -> float | None:
        curve = {value.x: value.value for value in record.probes if value.probe == probe}
        return read(curve) if curve else None

    return measured(name, experiment, cell, read_record)


def accuracy_within(
    experiment: str, cell: tuple[str, str, int], lags: tuple[float, float]
) -> Quantity:
    """The accuracy over all test targets whose lag lies between two, both included."""
    low, high = lags

    def read(record: Record) -> float | None:
        bins = [
            (value.value, value.count)
            for value in record.probes
            if value.probe == "lag_accuracy" and low <= value.x <= high
        ]
        total = sum(count for _, count in bins)
        return sum(value * count for value, count in bins) / total if total else None

    return measured(f"accuracy at lags {low:g} to {high:g}", experiment, cell, read)


def over_lengths(
    name: str,
    experiment: str,
    architecture: str,
    cells: Sequence[tuple[str, int]],
    read: Callable[[list[float]], float],
) -> Quantity:
    """What `read` makes of a seed's scores on several tasks and lengths, where it has them all."""

    def values(evidence: Evidence) -> Values:
        scores = [score(experiment, architecture, *cell).values(evidence) for cell in cells]
        seeds = set.intersection(*(set(by_seed) for by_seed in scores))
        return {seed: read([by_seed[seed] for by_seed in scores]) for seed in sorted(seeds)}

    return Quantity(f"{name}: {architecture}", experiment, values)


def time_per_token(shape: Shape) -> Quantity:
    """The microseconds that a training step takes a token, round by round."""
    name = f"µs a token: {shape.architecture}, {shape.batch} × {shape.length} steps"
    return Quantity(name, "", lambda evidence: _timed(evidence, shape, 1e6), shape)


def parameters_of(shape: Shape) -> Quantity:
    """How many parameters the timed model has, the same in every round."""

    def values(evidence: Evidence) -> Values:
        counts = [time.parameters for time in evidence.step_times if shape_of(time) == shape]
        rounds = _timed(evidence, shape, 1.0)
        return {index: float(count) for count in counts for index in rounds}

    return Quantity(f"parameters: {shape.architecture} of width {shape.width}", "", values, shape)


def shape_of(step_time: StepTime) -> Shape:
    """What was timed."""
    return Shape(step_time.architecture, step_time.length, step_time.batch, step_time.width)


def _timed(evidence: Evidence, shape: Shape, unit: float) -> Values:
    durations = [time.seconds_per_token for time in evidence.step_times if shape_of(time) == shape]
    return {index: unit * value for seconds in durations for index, value in enumerate(seconds)}
