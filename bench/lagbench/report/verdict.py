"""What the tables say: who remembers how far, how sure that is, and at what cost.

Each fact is an object with names and numbers; its string is the sentence of the report.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import pandas as pd

from lagbench.record import Status
from lagbench.report.comparisons import Difference, differences
from lagbench.report.gradient_decay import GradientOrder, gradient_order
from lagbench.report.significance import ALPHA
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
    Status.UNSUPPORTED: "unsupported",
    Status.DIVERGED: "diverged",
    Status.TIMEOUT: "out of time",
    Status.OUT_OF_MEMORY: "out of memory",
    Status.FAILED: "failed",
}
NO_TRIAL = "No trial has been recorded."
NO_SCORE = "No trial was scored, so there is nothing to compare."


@dataclass(frozen=True)
class Counts:
    """How many trials there are, of what, and how they ended."""

    trials: int
    architectures: int
    tasks: int
    endings: dict[str, int]

    def __str__(self) -> str:
        ends = [f"{count:,} {word}" for word, count in self.endings.items()]
        return (
            f"{plural(self.trials, 'trial')} of {plural(self.architectures, 'architecture')} on "
            f"{plural(self.tasks, 'task')}: {join_words(ends)}."
        )


@dataclass(frozen=True)
class BestChoice:
    """Of the architectures that hold at the longest length of a task, the fastest one.

    chosen: tasks with their longest lengths, by architecture. by_speed: whether speeds decide;
    without any, the score does. unsolved: tasks on which none holds, with the one that reaches
    furthest and its horizon in words.
    """

    chosen: dict[str, tuple[tuple[str, int], ...]]
    by_speed: bool
    unsolved: tuple[tuple[str, str, str], ...]

    def __str__(self) -> str:
        sentences = []
        best = "trains fastest" if self.by_speed else "has the best score"
        names = {
            name: join_words([f"{task} ({length})" for task, length in tasks])
            for name, tasks in self.chosen.items()
        }
        if len(names) == 1:
            ((name, where),) = names.items()
            sentences.append(
                f"Best choice: {name}. It holds at the longest length of {where} and {best} of "
                "those that do."
            )
        elif names:
            choices = join_words([f"{name} on {where}" for name, where in names.items()])
            sentences.append(
                f"Best choice: {choices}. Of the architectures that hold at the longest length of "
                f"a task (in brackets), it {best}."
            )
        if self.unsolved:
            tasks = [f"{task} (furthest: {n}, {far})" for task, n, far in self.unsolved]
            sentences.append(f"No architecture holds at the longest length of {join_words(tasks)}.")
        return " ".join(sentences)


@dataclass(frozen=True)
class Ranking:
    """Average ranks over all cells, the best first.

    indistinguishable: those that ranks do not separate from the first. decided: of these, who is
    better on a task by the paired comparisons of that task.
    """

    cells: int
    ranks: tuple[tuple[str, float], ...]
    indistinguishable: tuple[str, ...]
    decided: tuple[tuple[str, str, str], ...]

    def __str__(self) -> str:
        ranked = join_words([f"{name} ({number(rank, 1)})" for name, rank in self.ranks])
        first = self.ranks[0][0]
        separate = f"Ranks separate {first} from all others."
        if self.indistinguishable:
            names = join_words([first, *self.indistinguishable])
            separate = f"Ranks alone do not separate {names}"
            if self.decided:
                wins = [f"{better} beats {worse} on {task}" for better, worse, task in self.decided]
                separate += f"; task by task, {join_words(wins)}"
            separate += "."
        return (
            f"Ranked by score over {plural(self.cells, 'cell')} (a task at a length), on average: "
            f"{ranked}. {separate}"
        )


@dataclass(frozen=True)
class Certainty:
    """How many comparisons of two architectures on a task the seeds settle.

    needed: seeds with which the test can decide anything; None: it can with these.
    """

    compared: int
    settled: int
    seeds: int
    needed: int | None

    def __str__(self) -> str:
        if self.needed is not None:
            return (
                f"With {plural(self.seeds, 'seed')} the test of differences cannot decide: use "
                f"--seeds {self.needed} or more."
            )
        verb = "is" if self.settled == 1 else "are"
        return (
            f"Of {plural(self.compared, 'comparison')} of two architectures on a task, "
            f"{self.settled} {verb} settled; other differences may be luck."
        )


class Reach(NamedTuple):
    """An architecture with its horizon and the interval of it, in words."""

    architecture: str
    horizon: str
    interval: str

    def __str__(self) -> str:
        return f"{self.architecture} at about {self.horizon}" + (
            f" ({self.interval})" if self.interval else ""
        )


@dataclass(frozen=True)
class Holding:
    """Who holds at the longest length scored, the best first, with score and interval."""

    length: int
    only_length: bool
    scores: tuple[tuple[str, float, float, float], ...]

    def __str__(self) -> str:
        names = []
        for name, score, low, high in self.scores:
            interval = bounds(low, high)
            names.append(f"{name} (score {number(score, 2)}{f', {interval}' if interval else ''})")
        which = "only" if self.only_length else "longest"
        who = f"{join_words(names)} {_verb(names, 'hold')}" if names else "no architecture holds"
        return f"At {self.length}, the {which} length scored, {who}."


@dataclass(frozen=True)
class NeverHolding:
    """Who does not hold at the shortest length; None: these differ."""

    architectures: tuple[str, ...]
    length: int | None

    def __str__(self) -> str:
        where = "the shortest length" if self.length is None else str(self.length)
        names = list(self.architectures)
        return f"{join_words(names)} {_verb(names, 'do')} not hold even at {where}."


@dataclass(frozen=True)
class Forgetting:
    """Who stops holding within the lengths tried, the first to forget first.

    first_known: whether all others are known to hold further than the first of them. settled:
    whether the intervals of the first two are apart.
    """

    reaches: tuple[Reach, ...]
    first_known: bool
    settled: bool

    def __str__(self) -> str:
        words = list(map(str, self.reaches))
        if self.first_known:
            then = f", then {join_words(words[1:])}" if len(words) > 1 else ""
            text = f"The first to forget is {words[0]}{then}."
            if not self.settled:
                text += " The intervals of the first two overlap: their order is not settled."
        else:
            text = f"Forgetting sets in for {join_words(words)}."
        return text + (f" The last to forget is {words[-1]}." if len(words) > MANY else "")


@dataclass(frozen=True)
class HoldingSoFar:
    """Who holds at all lengths at which it was scored, though not scored at the longest."""

    lengths: dict[str, int]

    def __str__(self) -> str:
        names = [f"{name} (to {length})" for name, length in self.lengths.items()]
        return f"{join_words(names)} {_verb(names, 'hold')} as far as there are scores."


@dataclass(frozen=True)
class Speeds:
    """Relative speeds of training and inference of those that reach furthest, fastest first."""

    length: int
    speeds: tuple[tuple[str, float, float], ...]

    def __str__(self) -> str:
        words = [f"{name} {times(t)} ({times(inference)})" for name, t, inference in self.speeds]
        return (
            f"Training speed at {self.length} (inference in brackets), the reference model's being "
            f"1×: {join_words(words)}."
        )


@dataclass(frozen=True)
class Unscored:
    """Who has no score at the shortest length."""

    architectures: tuple[str, ...]

    def __str__(self) -> str:
        names = join_words(self.architectures)
        return f"Without a score at the shortest length: {names}; the reasons are below."


TaskFact = Holding | NeverHolding | Forgetting | HoldingSoFar | Speeds | Unscored
RunFact = Counts | BestChoice | Ranking | Certainty | str


@dataclass(frozen=True)
class TaskFinding:
    """What is said of one task; order: whether gradients and memory agree on who forgets first."""

    task: str
    facts: tuple[TaskFact, ...]
    order: GradientOrder | None

    @property
    def sentences(self) -> list[str]:
        """The facts in words."""
        return list(map(str, self.facts))


@dataclass(frozen=True)
class RunVerdict:
    """What is said of a run: of all of it, of what its words mean, and task by task."""

    facts: tuple[RunFact, ...]
    terms: tuple[str, ...]
    tasks: tuple[TaskFinding, ...]

    @property
    def overview(self) -> list[str]:
        """The facts on the whole run in words."""
        return list(map(str, self.facts))


def verdict(tables: Tables) -> RunVerdict:
    """The verdict of a run, whatever became of its trials."""
    tasks = []
    for task in sorted(tables.summary["task"].unique()):
        horizons = _rows(tables.horizons, task)
        trials = tables.trials[tables.trials["task"] == task]
        facts = tuple(_task_facts(horizons, _rows(tables.summary, task)))
        tasks.append(TaskFinding(str(task), facts, gradient_order(trials, horizons)))
    return RunVerdict(tuple(_run_facts(tables)), tuple(_terms(tables)), tuple(tasks))


def _run_facts(tables: Tables) -> Iterator[RunFact]:
    trials = tables.trials
    if not len(trials):
        yield NO_TRIAL
        return
    counts = trials["status"].value_counts()
    yield Counts(
        len(trials),
        trials["architecture"].nunique(),
        trials["task"].nunique(),
        {word: int(counts[status]) for status, word in _ENDINGS.items() if status in counts},
    )
    seeds = tables.summary["seeds"].max()
    if not seeds > 0:
        yield NO_SCORE
        return
    if len(tables.horizons):
        yield _best_choice(tables)
    compared = differences(tables.comparisons)
    yield from _ranking(tables.ranks, compared)
    if compared and seeds > 1:
        settled = sum(difference.settled for difference in compared)
        yield Certainty(len(compared), settled, int(seeds), _seeds_needed(tables, compared))


def _terms(tables: Tables) -> Iterator[str]:
    seeds = tables.summary.loc[tables.summary["seeds"] > 0, "seeds"]
    if not len(seeds):
        return
    yield (
        f"An architecture holds at a length if its score there and at all shorter ones is {HOLDS} "
        "or more, where 0 is chance and 1 the optimum."
    )
    fewest, most = int(seeds.min()), int(seeds.max())
    if most == 1:
        yield "There is one seed each and so no interval: a difference may be luck."
        return
    count = f"{most}" if fewest == most else f"{fewest} to {most}"
    mean = "interquartile means" if most >= 4 else "means"
    ranges = "95% bootstrap intervals" if most >= 4 else "the lowest to the highest of them"
    yield f"Scores are {mean} over {count} seeds; ranges of scores are {ranges}."


def _best_choice(tables: Tables) -> BestChoice:
    chosen: dict[str, tuple[tuple[str, int], ...]] = {}
    unsolved = []
    for task in map(str, tables.horizons["task"].unique()):
        horizons = _rows(tables.horizons, task)
        longest = max(row.longest for row in horizons)
        holding = {row.architecture for row in horizons if _holds_at(row, longest)}
        if holding:
            rows = [row for row in _rows(tables.summary, task)
                    if row.length == longest and row.architecture in holding]  # fmt: skip
            best = max(rows, key=lambda row: (_speed(row), row.score))
            chosen[best.architecture] = (*chosen.get(best.architecture, ()), (task, int(longest)))
        else:
            furthest = max(horizons, key=lambda row: row.horizon)
            unsolved.append((task, str(furthest.architecture), reach(furthest)))
    timed = any(map(_speed, tables.summary.itertuples(index=False)))
    return BestChoice(chosen, timed, tuple(unsolved))


def _ranking(ranks: pd.DataFrame, compared: Sequence[Difference]) -> Iterator[Ranking]:
    ranked: list[Any] = list(ranks[ranks["critical_difference"].notna()].itertuples(index=False))
    if not ranked:
        return
    first, *others = sorted(ranked, key=lambda row: (row.rank, row.architecture))
    near = [row for row in others if row.rank - first.rank <= first.critical_difference]
    names = {first.architecture, *(row.architecture for row in near)}
    decided = [
        (pair.better, pair.worse, pair.task)
        for pair in compared
        if pair.settled and {pair.better, pair.worse} <= names
    ]
    yield Ranking(
        int(first.blocks),
        tuple((str(row.architecture), float(row.rank)) for row in (first, *others)),
        tuple(str(row.architecture) for row in near),
        tuple(decided),
    )


def _seeds_needed(tables: Tables, compared: Sequence[Difference]) -> int | None:
    """With how many seeds the test could decide a comparison; None: it can with these.

    Of `n` pairs no p is below `2 / 2ⁿ`, which Holm's correction multiplies by the comparisons.
    """
    if any(pair.detectable < math.inf for pair in compared):
        return None
    seeds = []
    for _, rows in tables.comparisons.groupby("task"):
        together = rows[rows["lengths"] == rows["lengths"].max()]
        family = int(together.groupby("length", dropna=False).size().max())
        pairs = math.log2(2 * family / ALPHA)
        seeds.append(math.ceil(pairs / int(together["lengths"].iloc[0])))
    return min(seeds)


def _task_facts(horizons: list[Any], summary: list[Any]) -> Iterator[TaskFact]:
    """Facts from the rows of `horizons` and `summary` of one task."""
    if horizons:
        longest = max(row.longest for row in horizons)
        at_longest = {row.architecture: row for row in summary if row.length == longest}
        holding = [row.architecture for row in horizons if _holds_at(row, longest)]
        best = [at_longest[name] for name in holding]
        best.sort(key=lambda row: (-row.score, row.architecture))
        yield Holding(
            int(longest),
            all(row.shortest == longest for row in horizons),
            tuple((r.architecture, r.score, r.score_low, r.score_high) for r in best),
        )
        below = [r for r in horizons if r.censored == Censored.BELOW and r.longest > r.shortest]
        if below:
            shortest = {int(row.shortest) for row in below}
            where = shortest.pop() if len(shortest) == 1 else None
            yield NeverHolding(tuple(row.architecture for row in below), where)
        yield from _forgetting(horizons)
        held = [row for row in horizons if row.censored == Censored.AT_LEAST]
        so_far = {row.architecture: int(row.longest) for row in held if row.longest < longest}
        if so_far:
            yield HoldingSoFar(so_far)
        furthest = holding or [max(horizons, key=lambda row: row.horizon).architecture]
        timed = [at_longest[n] for n in furthest if n in at_longest and _speed(at_longest[n])]
        timed.sort(key=lambda row: (-row.train_relative, row.architecture))
        if timed:
            yield Speeds(
                int(longest),
                tuple((r.architecture, r.train_relative, r.inference_relative) for r in timed),
            )
    scored = {row.architecture for row in horizons}
    names = sorted({row.architecture for row in summary if row.seeds == 0} - scored)
    if names:
        yield Unscored(tuple(names))


def _forgetting(horizons: list[Any]) -> Iterator[Forgetting]:
    rows = [row for row in horizons if row.censored == Censored.NO]
    rows.sort(key=lambda row: (row.horizon, row.architecture))
    if not rows:
        return
    others = [row for row in horizons if row is not rows[0]]
    yield Forgetting(
        tuple(Reach(row.architecture, reach(row), reach_bounds(row)) for row in rows),
        first_known=bool(others) and all(row.horizon > rows[0].horizon for row in others),
        settled=len(rows) < 2 or not rows[1].low <= rows[0].high,
    )


def _holds_at(row: Any, longest: int) -> bool:
    return bool(row.censored == Censored.AT_LEAST and row.longest == longest)


def _speed(row: Any) -> float:
    """Training speed of a row of `summary`; 0: not measured, or while other processes computed."""
    disturbed = pd.notna(row.undisturbed) and not row.undisturbed
    return 0.0 if disturbed or not row.train_relative > 0 else float(row.train_relative)


def _verb(names: Sequence[str], plural_form: str) -> str:
    """`hold` or `holds`, `do` or `does`, for several names or a single one."""
    singular = {"hold": "holds", "do": "does"}
    return plural_form if len(names) > 1 else singular[plural_form]


def _rows(frame: pd.DataFrame, task: str) -> list[Any]:
    return list(frame[frame["task"] == task].itertuples(index=False))
