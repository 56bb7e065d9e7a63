"""Whether gradients and memory order architectures alike: one sentence on a task, from its trials.

Both are only believed where intervals over seeds leave no doubt; the rest is said to be open.
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
    """How fast an architecture's gradient fades on a task, and how far it remembers there.

    rate, low, high: halvings a step, 0 where it does not fade, and their interval over the seeds
        (NaN for a single one). horizon: its row of `horizons`.
    """

    architecture: str
    rate: float
    low: float
    high: float
    horizon: Any

    def halves_before(self, other: "GradientDecay") -> bool:
        """Whether its gradient fades faster, beyond both intervals."""
        return self.low > other.high

    def forgets_before(self, other: "GradientDecay") -> bool:
        """Whether its horizon is shorter, beyond both intervals."""
        return bool(self.horizon.high < other.horizon.low)

    def __str__(self) -> str:
        steps, holds = _span(self), reach_bounds(self.horizon)
        return (
            f"{self.architecture} (halves in {_steps(self.rate)}{f', {steps}' if steps else ''}; "
            f"reaches {reach(self.horizon)}{f', {holds}' if holds else ''})"
        )


def order(trials: pd.DataFrame, horizons: Sequence[Any]) -> str | None:
    """The sentence on one task, from its rows of `trials` and of `horizons`.

    Half-lives are those after training at the longest length at which two architectures or more
    have one. None where there is none.
    """
    length, found = _decays(trials, {row.architecture: row for row in horizons})
    if len(found) < 2:
        return None
    pairs = list(combinations(found, 2))
    alike = [(a, b) for a, b in pairs if a.halves_before(b) and a.forgets_before(b)]
    against = [(a, b) for a, b in pairs if a.halves_before(b) and b.forgets_before(a)]
    opened = [pair for pair in pairs if pair not in alike and pair not in against]
    subject = f"The half-life of gradients at length {length} and the memory horizon"
    parts = [f"{subject} order alike {_chains(alike)}" if alike else f"{subject} settle no order"]
    if against:
        parts.append(f"they contradict each other on {_named(against)}")
    if opened:
        parts.append(
            f"the order of {_named(opened)} is not settled, as intervals over the seeds overlap "
            "or there are none"
        )
    return f"{'; '.join(parts)}."


def _decays(trials: pd.DataFrame, horizons: dict[str, Any]) -> tuple[int, list[GradientDecay]]:
    """At which length, and the architectures there, those whose gradients fade fastest first."""
    known = trials[
        trials["selected"]
        & trials["gradient_half_life"].notna()
        & trials["architecture"].isin(list(horizons))
    ]
    several = known.groupby("length")["architecture"].nunique() >= 2
    if not several.any():
        return 0, []
    length = int(several[several].index.max())
    found = []
    for name, own in known[known["length"] == length].groupby("architecture"):
        rates = 1 / own["gradient_half_life"].to_numpy(float)
        low, high = statistics.interval(rates)
        iqm = float(statistics.iqm(rates))
        found.append(GradientDecay(str(name), iqm, low, high, horizons[str(name)]))
    return length, sorted(found, key=lambda one: (-one.rate, one.architecture))


def _chains(alike: list[tuple[GradientDecay, GradientDecay]]) -> str:
    """`a (…) < b (…) and c (…); b < c`, numbers where a name stands first."""
    told: set[str] = set()
    clauses = []
    for first in dict.fromkeys(a.architecture for a, _ in alike):
        own = [pair for pair in alike if pair[0].architecture == first]
        below, *above = [_once(one, told) for one in (own[0][0], *(b for _, b in own[:MANY]))]
        more = [f"{len(own) - MANY} more"] if len(own) > MANY else []
        clauses.append(f"{below} < {join_words(above) if not more else ', '.join([*above, *more])}")
    shown = clauses[:MANY]
    if len(clauses) > MANY:
        shown.append(f"and {plural(len(clauses) - MANY, 'architecture')} before others")
    return ", ".join(shown)


def _once(one: GradientDecay, told: set[str]) -> str:
    if one.architecture in told:
        return one.architecture
    told.add(one.architecture)
    return str(one)


def _named(pairs: list[tuple[GradientDecay, GradientDecay]]) -> str:
    return join_words([f"{a.architecture} with {b.architecture}" for a, b in pairs])


def _span(one: GradientDecay) -> str:
    """The interval of the half-life; empty where there is none."""
    return "" if np.isnan(one.low) else f"{_steps(one.high, '')} to {_steps(one.low, '')}"


def _steps(rate: float, unit: str = " steps") -> str:
    """The half-life of a rate, as in `1.1 steps`; `∞` where nothing fades."""
    return "∞" if rate <= 0 else f"{significant(1 / rate, 2)}{unit}"
