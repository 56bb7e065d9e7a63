"""What the tables say, in sentences: who reaches how far back, how sure that is, at what price."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd

from lagbench.record import Status
from lagbench.report.comparisons import differences
from lagbench.report.gradient_decay import order
from lagbench.report.statistics import HOLDS, Censored
from lagbench.report.tables import Tables
from lagbench.report.wording import (
    MANY,
    bounds,
    join_words,
    number,
    plural,
    reach,
    reach_bounds,
    times,
)

_ENDINGS = {
    Status.OK: "finished",
    Status.UNSUPPORTED: "refused",
    Status.DIVERGED: "diverged",
    Status.TIMEOUT: "out of time",
    Status.OUT_OF_MEMORY: "out of memory",
    Status.FAILED: "failed",
}


@dataclass(frozen=True)
class TaskFinding:
    """What was found on one task."""

    task: str
    sentences: tuple[str, ...]
    order: str | None  # whether gradients and memory order the architectures alike


@dataclass(frozen=True)
class RunVerdict:
    """Sentences on the run as a whole, what their words mean, then findings task by task."""

    overview: tuple[str, ...]
    terms: tuple[str, ...]
    tasks: tuple[TaskFinding, ...]


def verdict(tables: Tables) -> RunVerdict:
    """The verdict of a run, whatever became of its trials."""
    tasks = sorted(tables.summary["task"].unique())
    findings = [
        TaskFinding(
            task,
            tuple(_on_task(_rows(tables.horizons, task), _rows(tables.summary, task))),
            order(tables.trials[tables.trials["task"] == task], _rows(tables.horizons, task)),
        )
        for task in tasks
    ]
    return RunVerdict(tuple(_overview(tables)), tuple(_terms(tables)), tuple(findings))


def _overview(tables: Tables) -> Iterator[str]:
    trials = tables.trials
    if not len(trials):
        yield "No trial has been recorded."
        return
    counts = trials["status"].value_counts()
    ends = [f"{counts[status]:,} {word}" for status, word in _ENDINGS.items() if status in counts]
    yield (
        f"{plural(len(trials), 'trial')} of "
        f"{plural(trials['architecture'].nunique(), 'architecture')} on "
        f"{plural(trials['task'].nunique(), 'task')}: {join_words(ends)}."
    )
    if not len(_seeds(tables)):
        yield "No trial was scored, so there is nothing to compare."
        return
    yield from _choice(tables)
    yield from _ranking(tables.ranks)
    yield from _settled(tables)


def _terms(tables: Tables) -> Iterator[str]:
    seeds = _seeds(tables)
    if not len(seeds):
        return
    yield (
        f"An architecture holds up to a length if its score there and at all shorter ones is "
        f"{HOLDS} or more, where 0 is chance and 1 the optimum."
    )
    yield _certainty(int(seeds.min()), int(seeds.max()))


def _choice(tables: Tables) -> Iterator[str]:
    """Whom to take for which task: of those that reach furthest, who costs least."""
    timed = any(map(_speed, tables.summary.itertuples(index=False)))
    chosen: dict[str, list[str]] = {}
    nobody = []
    for task in tables.horizons["task"].unique():
        horizons = _rows(tables.horizons, task)
        longest = max(row.longest for row in horizons)
        holding = {row.architecture for row in horizons if _holds_at(row, longest)}
        if holding:
            summary = _rows(tables.summary, task)
            own = [r for r in summary if r.length == longest and r.architecture in holding]
            best = max(own, key=lambda row: (_speed(row), row.score))
            chosen.setdefault(best.architecture, []).append(f"{task} to {longest}")
        else:
            nobody.append(_furthest(str(task), horizons))
    if chosen:
        names = [f"{name} ({join_words(tasks)})" for name, tasks in chosen.items()]
        how = "at the least cost of training" if timed else "with the best score"
        yield f"To hold up to the longest length {how}: {join_words(names)}."
    if nobody:
        yield f"Nobody holds up to the longest length on {join_words(nobody)}."


def _furthest(task: str, horizons: list[Any]) -> str:
    """A task that nobody solves to its end, and who comes closest."""
    furthest = max(horizons, key=lambda row: row.horizon)
    if furthest.censored == Censored.BELOW:
        return task
    return f"{task} (furthest: {furthest.architecture}, {reach(furthest)})"


def _settled(tables: Tables) -> Iterator[str]:
    """How many comparisons the seeds decide."""
    found = differences(tables.comparisons)
    settled = sum(one.settled for one in found)
    if found and int(tables.summary["seeds"].max()) > 1:
        yield (
            f"Of {plural(len(found), 'comparison')} of two architectures on a task, {settled} "
            f"{'is' if settled == 1 else 'are'} settled by these seeds; any other difference may "
            "be luck."
        )


def _seeds(tables: Tables) -> pd.Series:
    """How many there are, of whatever was scored."""
    return tables.summary.loc[tables.summary["seeds"] > 0, "seeds"]


def _certainty(fewest: int, most: int) -> str:
    if most == 1:
        return "There is one seed each and so no interval: a difference may be luck."
    count = f"{most}" if fewest == most else f"{fewest} to {most}"
    mean = "interquartile means" if most >= 4 else "means"
    return f"Scores are {mean} over {count} seeds; ranges are 95% bootstrap intervals over them."


def _ranking(ranks: pd.DataFrame) -> Iterator[str]:
    """Who comes first over all tasks and lengths, and who is not told apart from the first."""
    ranked: list[Any] = list(ranks[ranks["critical_difference"].notna()].itertuples(index=False))
    if not ranked:
        return
    first, *others = sorted(ranked, key=lambda row: (row.rank, row.architecture))
    near = [row for row in others if row.rank - first.rank <= first.critical_difference]
    names = [f"{row.architecture} ({number(row.rank, 1)})" for row in (first, *others)]
    yield (
        f"Ranked by score over {plural(int(first.blocks), 'cell')} (a task at a length), on "
        f"average: {join_words(names)}."
    )
    apart = f"Ranks less than {number(first.critical_difference, 1)} apart may be luck"
    yield f"{apart}: {_indistinguishable(first, near, others)}."


def _indistinguishable(first: Any, near: list[Any], others: list[Any]) -> str:
    if not near:
        return f"{first.architecture} is ahead of all others by more"
    if len(near) == len(others):
        return f"nobody is far enough behind {first.architecture}"
    return (
        f"{join_words([row.architecture for row in near])} may be as good as {first.architecture}"
    )


def _on_task(horizons: list[Any], summary: list[Any]) -> Iterator[str]:
    """Sentences from the rows of `horizons` and `summary` of one task."""
    if horizons:
        longest = max(row.longest for row in horizons)
        at_end = {row.architecture: row for row in summary if row.length == longest}
        holding = [row.architecture for row in horizons if _holds_at(row, longest)]
        which = "only" if all(row.shortest == longest for row in horizons) else "longest"
        who = _holding([at_end[name] for name in holding])
        yield f"Up to {longest}, the {which} length scored, {who}."
        yield from _below(horizons)
        yield from _forgetting(horizons)
        yield from _unknown(horizons, longest)
        furthest = holding or [max(horizons, key=lambda row: row.horizon).architecture]
        yield from _price([at_end[name] for name in furthest if name in at_end], longest)
    yield from _unscored({row.architecture for row in horizons}, summary)


def _holds_at(row: Any, longest: int) -> bool:
    return bool(row.censored == Censored.AT_LEAST and row.longest == longest)


def _holding(rows: list[Any]) -> str:
    """Who holds at the longest length; rows of `summary`."""
    ranked = sorted(rows, key=lambda row: (-row.score, row.architecture))
    names = [f"{row.architecture} (score {_with_bounds(row)})" for row in ranked]
    return (
        f"{join_words(names)} {_verb(names, 'hold')}"
        if names
        else "no architecture was found to hold"
    )


def _with_bounds(row: Any) -> str:
    interval = bounds(row.score_low, row.score_high)
    return number(row.score, 2) + (f", {interval}" if interval else "")


def _below(horizons: list[Any]) -> Iterator[str]:
    below = [
        row for row in horizons if row.censored == Censored.BELOW and row.longest > row.shortest
    ]
    shortest = {row.shortest for row in below}
    if below:
        where = f"{shortest.pop()}" if len(shortest) == 1 else "the shortest length"
        names = [row.architecture for row in below]
        yield f"{join_words(names)} {_verb(names, 'do')} not hold even at {where}."


def _forgetting(horizons: list[Any]) -> Iterator[str]:
    """Who stops holding within the lengths tried, and whether their order is settled."""
    found = [row for row in horizons if row.censored == Censored.NO]
    found.sort(key=lambda row: (row.horizon, row.architecture))
    reaches = [f"{row.architecture} at about {reach(row)}{_in_brackets(row)}" for row in found]
    if not found:
        return
    others = [row for row in horizons if row is not found[0]]
    if others and all(row.horizon > found[0].horizon for row in others):
        then = f", then {join_words(reaches[1:])}" if len(found) > 1 else ""
        yield f"The first to forget is {reaches[0]}{then}."
        if len(found) > 1 and found[1].low <= found[0].high:
            yield "The intervals of the first two overlap: their order is not settled."
    else:
        yield f"Forgetting sets in for {join_words(reaches)}."
    if len(found) > MANY:
        yield f"The last of these to forget is {reaches[-1]}."


def _in_brackets(row: Any) -> str:
    interval = reach_bounds(row)
    return f" ({interval})" if interval else ""


def _unknown(horizons: list[Any], longest: int) -> Iterator[str]:
    """Who held for as long as there were scores, but not to the longest length."""
    held = [row for row in horizons if row.censored == Censored.AT_LEAST]
    names = [f"{row.architecture} (to {row.longest})" for row in held if row.longest < longest]
    if names:
        yield f"{join_words(names)} {_verb(names, 'hold')} as far as there are scores."


def _price(rows: list[Any], length: int) -> Iterator[str]:
    """How fast those are that reach furthest; rows of `summary`."""
    timed = [row for row in rows if _speed(row)]
    timed.sort(key=lambda row: (-row.train_relative, row.architecture))
    speeds = [
        f"{row.architecture} {times(row.train_relative)} ({times(row.inference_relative)})"
        for row in timed
    ]
    if speeds:
        yield (
            f"Training speed at {length} (inference in brackets), the reference model's being 1×: "
            f"{join_words(speeds)}."
        )


def _speed(row: Any) -> float:
    """Training speed of a row of `summary`; 0: not measured, or while other processes computed."""
    disturbed = pd.notna(row.undisturbed) and not row.undisturbed
    return 0.0 if disturbed or not row.train_relative > 0 else float(row.train_relative)


def _unscored(scored: set[str], summary: list[Any]) -> Iterator[str]:
    names = sorted({row.architecture for row in summary if row.seeds == 0} - scored)
    if names:
        yield (
            f"Without a score at the shortest length: {join_words(names)}; the reasons are below."
        )


def _verb(names: list[str], plural: str) -> str:
    """`hold` or `holds`, `do` or `does`, as there are several names or one."""
    singular = {"hold": "holds", "do": "does"}
    return plural if len(names) > 1 else singular[plural]


def _rows(frame: pd.DataFrame, task: str) -> list[Any]:
    return list(frame[frame["task"] == task].itertuples(index=False))
