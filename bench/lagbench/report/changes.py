"""What changed between two runs: between two commits, or with a new layer beside baselines.

Scores of runs that share a seed saw the same examples, in both folders, and are compared in pairs.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from math import isnan, nan
from typing import Any

import numpy as np
import pandas as pd

from lagbench.record import Record
from lagbench.report.columns import scored
from lagbench.report.series import speeds
from lagbench.report.significance import ALPHA, compare, holm, minimum_detectable
from lagbench.report.tables import Results, Tables
from lagbench.report.wording import workers

Row = dict[str, Any]


@dataclass(frozen=True)
class Change:
    """An architecture of the run after, beside one of the run before, on a task."""

    before: str
    after: str
    task: str
    lengths: tuple[int, ...]  # those that both have
    seeds: int  # the fewest pairs at any length
    score_before: float  # means over the pairs
    score_after: float
    difference: float
    low: float
    high: float
    p: float  # corrected
    detectable: float
    verdict: str  # better, worse, undecided, the same (in every pair), or one seed
    speed_before: float  # training, relative to the reference model; NaN: not measured
    speed_after: float


@dataclass(frozen=True)
class Changes:
    """All that changed."""

    circumstances: list[tuple[str, str, str]]  # what, before, after
    other_data: list[str]  # tasks whose examples differ, so that nothing is in pairs
    changes: list[Change]
    gone: list[tuple[str, str]]  # architecture and task that only the run before scored
    new: list[tuple[str, str]]


def changes(before: Results, after: Results) -> Changes:
    """Everything that differs between two runs.

    An architecture that both have is compared with itself; one that only the run after has, with
    every one of the run before. Holm's correction runs over all comparisons of one task.
    """
    shared = _shared(before, after)
    alike = [task for task in shared if _data(before, task) == _data(after, task)]
    places = [_places(side.tables) for side in (before, after)]
    result = [change for task in alike for change in _on_task(task, before.tables, after.tables)]
    return Changes(
        circumstances=list(_circumstances(before, after)),
        other_data=[task for task in shared if task not in alike],
        changes=result,
        gone=sorted(places[0] - places[1]),
        new=sorted(places[1] - places[0]),
    )


def sentence(result: Changes) -> str:
    """How many architectures are better, worse or undecided."""
    verdicts = [change.verdict for change in result.changes]
    if not verdicts:
        return "The two runs share no task on which both have scores."
    counts = {verdict: verdicts.count(verdict) for verdict in dict.fromkeys(sorted(verdicts))}
    parts = [f"{count} {verdict}" for verdict, count in counts.items()]
    return f"{len(verdicts)} compared: {', '.join(parts)}."


def _shared(before: Results, after: Results) -> list[str]:
    tasks = [set(scored(side.tables.trials)["task"]) for side in (before, after)]
    return sorted(map(str, tasks[0] & tasks[1]))


def _places(tables: Tables) -> set[tuple[str, str]]:
    rows = scored(tables.trials)[["architecture", "task"]]
    return set(rows.itertuples(index=False, name=None))


def _data(side: Results, task: str) -> set[tuple[str, int]]:
    """What the examples of a task hang on."""
    subset = [record for record in side.records if record.task == task]
    return {(str(sorted(record.task_fields.items())), record.task_version) for record in subset}


def _on_task(task: str, before: Tables, after: Tables) -> list[Change]:
    tables = [_by_seed(side, task) for side in (before, after)]
    known, others = tables[0].columns, tables[1].columns
    pairs = [(name, name) for name in others if name in known]
    pairs += [(old, name) for name in others if name not in known for old in known]
    result = []
    for old, name in pairs:
        shared = pd.DataFrame({"before": tables[0][old], "after": tables[1][name]}).dropna()
        if len(shared):
            result.append(_compared(shared) | {"before": old, "after": name})
    tested = [row for row in result if not isnan(row["p"])]
    for row, p in zip(tested, holm([row["p"] for row in tested]), strict=True):
        row["p"] = float(p)
        row["detectable"] = float(minimum_detectable(row["pairs"], len(tested)))
        row["verdict"] = _verdict(row)
    return [_change(task, row, before, after) for row in result]


def _by_seed(tables: Tables, task: str) -> pd.DataFrame:
    """Scores on a task: (length, seed) × architecture."""
    rows = scored(tables.trials)
    subset = rows[rows["task"] == task]
    return subset.pivot_table(index=["length", "seed"], columns="architecture", values="score")


def _compared(shared: pd.DataFrame) -> Row:
    """The columns `after` and `before`, in pairs, their p not yet corrected."""
    groups = [rows for _, rows in shared.groupby("length")]
    strata = [(rows["after"].to_numpy(float), rows["before"].to_numpy(float)) for rows in groups]
    result = {name: float(value) for name, value in asdict(compare(strata)).items()}
    return result | {
        "lengths": tuple(map(int, shared.index.unique("length"))),
        "seeds": min(map(len, groups)),
        "score_before": float(shared["before"].mean()),
        "score_after": float(shared["after"].mean()),
        "pairs": np.asarray(shared["after"] - shared["before"], float),
        "detectable": nan,
        "verdict": "one seed",
    }


def _verdict(row: Row) -> str:
    if not row["pairs"].any():
        return "the same"
    if row["p"] > ALPHA:
        return "undecided"
    return "better" if row["difference"] > 0 else "worse"


def _change(task: str, row: Row, before: Tables, after: Tables) -> Change:
    return Change(
        task=task,
        speed_before=_speed(before, row["before"], task, row["lengths"]),
        speed_after=_speed(after, row["after"], task, row["lengths"]),
        **{name: row[name] for name in Change.__dataclass_fields__ if name in row},
    )


def _speed(tables: Tables, architecture: str, task: str, lengths: tuple[int, ...]) -> float:
    """Training speed relative to the reference model, geometric mean over these lengths."""
    rows = tables.summary
    of_task = (rows["architecture"] == architecture) & (rows["task"] == task)
    result = speeds(rows[of_task & rows["length"].isin(lengths)])
    training = result.loc[result["work"] == "training", "relative"]
    return float(training.iloc[0]) if len(training) else nan


def _circumstances(before: Results, after: Results) -> Iterator[tuple[str, str, str]]:
    """What of the settings, the versions and the machine differs."""
    facts = [_facts(side) for side in (before, after)]
    for what in sorted({*facts[0], *facts[1]}):
        values = [subset.get(what, "–") for subset in facts]
        if values[0] != values[1]:
            yield what, values[0], values[1]


def _facts(side: Results) -> dict[str, str]:
    run = side.run
    devices = sorted({record.device for record in side.records})
    result = {
        "suite": run.suite,
        "commit": run.commit or "unknown",
        "machine": run.machine,
        "workers": workers(run.workers),
        "device": " or ".join(devices),
    }
    result |= {f"{package} version": version for package, version in run.versions.items()}
    for kind in ("budget", "recipe"):
        subset = settings(side.records, kind)
        result |= {f"{kind}: {name.replace('_', ' ')}": value for name, value in subset.items()}
    return result


def settings(records: Sequence[Record], kind: str) -> dict[str, str]:
    """Every setting of the recipes, or of the budgets, with all values that it had."""
    values: dict[str, dict[str, None]] = {}
    for record in records:
        for name, value in getattr(record, kind).items():
            values.setdefault(name, {})[str(value)] = None
    return {name: " or ".join(subset) for name, subset in sorted(values.items())}
