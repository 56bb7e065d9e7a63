"""An architecture on a task as a W&B run whose steps are lengths.

That is what W&B's own panels draw score against length from, and the bars of horizons.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median
from typing import Any

from lagbench.registry import slug
from lagbench.tracking.opening import Identity
from lagbench.tracking.tables import Table

REACHES = ("gradient_half_life", "influence_reach")  # of `trials.csv`; its median over seeds
KEY = ("architecture", "task", "length")


def score_of(task: str) -> str:
    """The name of the score on one task: a panel of a workspace can choose names, not runs."""
    return f"score/{task}"


@dataclass(frozen=True)
class Pair:
    """One architecture on one task."""

    architecture: str
    task: str
    lengths: list[dict[str, Any]]  # what is known at each length, ascending
    horizon: dict[str, Any]

    def identity(self, suite: str) -> Identity:
        """What the run is called."""
        architecture, task = slug(self.architecture), slug(self.task)
        return Identity(
            key="pair",
            name=f"{architecture}-{task}",
            job_type="pair",
            group=suite,
            tags=(suite, architecture, task),
            config={"suite": suite, "architecture": self.architecture, "task": self.task},
        )

    def log(self, run: Any) -> None:
        """Write everything into an open run."""
        run.define_metric("length")
        run.define_metric("*", step_metric="length")
        for row in self.lengths:
            by_task = {score_of(self.task): row["score"]} if "score" in row else {}
            run.log(row | by_task)
        run.summary.update(self.horizon)


def pairs(summary: Table, horizons: Table, trials: Table) -> Iterator[Pair]:
    """Every architecture on every task that it was run on."""
    reaches = _reaches(trials)
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in summary.dictionaries():
        architecture, task, length = (row[name] for name in KEY)
        known = {name: value for name, value in row.items() if value is not None}
        of_pair = found.setdefault((architecture, task), [])
        of_pair.append(_numbers(known) | reaches.get((architecture, task, length), {}))
    bars = {(row["architecture"], row["task"]): row for row in horizons.dictionaries()}
    for place, lengths in found.items():
        if any("score" in row for row in lengths):
            ordered = sorted(lengths, key=lambda row: row["length"])
            yield Pair(*place, ordered, _horizon(bars.get(place, {})))


def _horizon(row: dict[str, Any]) -> dict[str, Any]:
    """A row of `horizons.csv`, empty where nothing was scored."""
    found = {"horizon": row.get("horizon")}
    found |= {f"horizon_{name}": row.get(name) for name in ("low", "high", "censored")}
    return {name: value for name, value in found.items() if value is not None}


def _reaches(trials: Table) -> dict[tuple[str, str, int], dict[str, float]]:
    values: dict[tuple[str, str, int], dict[str, list[float]]] = {}
    for row in trials.dictionaries():
        place = (row["architecture"], row["task"], row["length"])
        for name in REACHES:
            if row["selected"] and row[name] is not None:
                values.setdefault(place, {}).setdefault(name, []).append(row[name])
    return {
        place: {name: median(found) for name, found in of_one.items()}
        for place, of_one in values.items()
    }


def _numbers(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if isinstance(value, int | float)}
