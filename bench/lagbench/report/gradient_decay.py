"""Whether gradients and memory order architectures alike on a task.

An order is only stated where intervals over seeds are apart; the others are called undecided.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from lagbench.report import statistics
from lagbench.report.wording import MANY, join_words, plural, reach, reach_bounds, significant


@dataclass(frozen=True)
class GradientDecay:
    """How fast an architecture's gradient decays on a task, and how far it remembers there.

    rate, low, high: halvings a step, 0 where it does not decay, and their interval over the seeds
        (NaN for a single one). horizon: its row of `horizons`.
    """

    architecture: str
    rate: float
    low: float
    high: float
    horizon: Any

    def halves_before(self, other: "GradientDecay") -> bool:
        """Whether its gradient decays faster, beyond both intervals."""
        return self.low > other.high

    def forgets_before(self, other: "GradientDecay") -> bool:
        """Whether its horizon is shorter, beyond both intervals."""
        return bool(self.horizon.high < other.horizon.low)

    def __str__(self) -> str:
        steps = "" if np.isnan(self.low) else f", {_steps(self.high, '')} to {_steps(self.low, '')}"
        holds = reach_bounds(self.horizon)
        return (
            f"{self.architecture} (halves in {_steps(self.rate)}{steps}; "
            f"reaches {reach(self.horizon)}{f', {holds}' if holds else ''})"
        )


Pair = tuple[GradientDecay, GradientDecay]


@dataclass(frozen=True)
class GradientOrder:
    """Pairs of architectures by whether the half-life at a length and the horizon order them alike.

    The gradient of the first of each pair decays faster.
    """

    length: int
    alike: tuple[Pair, ...]
    contradicting: tuple[Pair, ...]
    undecided: tuple[Pair, ...]

    def __str__(self) -> str:
        subject = f"The half-life of gradients at length {self.length} and the memory horizon"
        parts = [f"{subject} settle no order"]
        if self.alike:
            parts = [f"{subject} order alike {self._chains()}"]
        if self.contradicting:
            parts.append(f"they contradict each other on {_names(self.contradicting)}")
        if self.undecided:
            parts.append(
                f"the order of {_names(self.undecided)} is not settled, as intervals over the "
                "seeds overlap or there are none"
            )
        return f"{'; '.join(parts)}."

    def _chains(self) -> str:
        """`a (…) < b (…) and c (…), b < c`; numbers only where a name is first mentioned."""
        mentioned: set[str] = set()

        def words(decay: GradientDecay) -> str:
            new = decay.architecture not in mentioned
            mentioned.add(decay.architecture)
            return str(decay) if new else decay.architecture

        clauses = []
        for first in dict.fromkeys(a.architecture for a, _ in self.alike):
            pairs = [pair for pair in self.alike if pair[0].architecture == first]
            below, *above = map(words, (pairs[0][0], *(b for _, b in pairs[:MANY])))
            rest = [f"{len(pairs) - MANY} more"] if len(pairs) > MANY else []
            clauses.append(f"{below} < {', '.join([*above, *rest]) if rest else join_words(above)}")
        if len(clauses) > MANY:
            others = plural(len(clauses) - MANY, "architecture")
            clauses = [*clauses[:MANY], f"and {others} before others"]
        return ", ".join(clauses)


def gradient_order(trials: pd.DataFrame, horizons: Sequence[Any]) -> GradientOrder | None:
    """The order of architectures on one task, from its rows of `trials` and of `horizons`.

    Half-lives are those after training at the longest length at which two architectures or more
    have one. None where there is none.
    """
    known_horizons = {row.architecture: row for row in horizons}
    known = trials[
        trials["selected"]
        & trials["gradient_half_life"].notna()
        & trials["architecture"].isin(list(known_horizons))
    ]
    several = known.groupby("length")["architecture"].nunique() >= 2
    if not several.any():
        return None
    length = int(several[several].index.max())
    decays = []
    for name, rows in known[known["length"] == length].groupby("architecture"):
        rates = 1 / rows["gradient_half_life"].to_numpy(float)
        low, high = statistics.interval(rates)
        mean = float(statistics.iqm(rates))
        decays.append(GradientDecay(str(name), mean, low, high, known_horizons[str(name)]))
    decays.sort(key=lambda decay: (-decay.rate, decay.architecture))
    pairs = list(combinations(decays, 2))
    alike = [(a, b) for a, b in pairs if a.halves_before(b) and a.forgets_before(b)]
    against = [(a, b) for a, b in pairs if a.halves_before(b) and b.forgets_before(a)]
    undecided = [pair for pair in pairs if pair not in alike and pair not in against]
    return GradientOrder(length, tuple(alike), tuple(against), tuple(undecided))


def _names(pairs: Sequence[Pair]) -> str:
    return join_words([f"{a.architecture} with {b.architecture}" for a, b in pairs])


def _steps(rate: float, unit: str = " steps") -> str:
    """The half-life of a rate, as in `1.1 steps`; `∞` where nothing decays."""
    return "∞" if rate <= 0 else f"{significant(1 / rate, 2)}{unit}"
