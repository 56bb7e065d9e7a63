"""Claims: sentences of the lectures as hypotheses, and the one rule by which they are judged."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from scipy import stats

from lagbench.claims.evidence import Evidence, Quantity, Values

CONFIDENCE = 0.95
LEARNED = 0.5
"""The score that the stronger model of a comparison must reach for the comparison to say much."""


class Verdict(StrEnum):
    """What the evidence comes to."""

    SUPPORTED = "supported"  # the interval lies at or above the smallest effect that counts
    REFUTED = "refuted"  # it lies below
    UNDECIDED = "undecided"  # neither, or there is no interval, or the experiment cannot tell


@dataclass(frozen=True)
class Part:
    """One thing that a claim says: an effect that is at least so large.

    says: as a clause. quantities: what the effect is computed from. effect: of their values, for
    one seed. least: the smallest effect that counts. learned: a score that must reach `LEARNED`,
    or else nothing was learned and the experiment cannot tell.
    """

    says: str
    quantities: tuple[Quantity, ...]
    effect: Callable[..., float]
    least: float
    learned: Quantity | None = None


@dataclass(frozen=True)
class Claim:
    """A sentence of the lectures; it holds if all of its parts do.

    statement: the sentence. method: how it is put to the test. caveat: what the test leaves open.
    """

    number: int
    statement: str
    method: str
    parts: tuple[Part, ...]
    caveat: str = ""

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """All that its parts are computed from, and what must have been learned."""
        of_part = [(*part.quantities, *((part.learned,) if part.learned else ()))
                   for part in self.parts]  # fmt: skip
        return tuple(quantity for some in of_part for quantity in some)

    @property
    def experiments(self) -> tuple[str, ...]:
        """The experiments whose records it reads, in order; timings have none."""
        return tuple(dict.fromkeys(q.experiment for q in self.quantities if q.experiment))


@dataclass(frozen=True)
class Judged:
    """A part with its evidence: values by seed of each quantity and of the effect, and a verdict.

    effect, low, high: mean and interval over seeds, NaN where there are none. reason: why it is
    undecided, where the interval does not say so by itself.
    """

    part: Part
    values: tuple[Values, ...]
    effects: Values
    effect: float
    low: float
    high: float
    verdict: Verdict
    reason: str = ""


@dataclass(frozen=True)
class Ruling:
    """A claim with its verdict."""

    claim: Claim
    parts: tuple[Judged, ...]

    @property
    def verdict(self) -> Verdict:
        """Refuted if a part is, supported if all are.

        All parts must hold, each at the same confidence: an intersection–union test, which needs no
        correction for their number (Berger 1982), so that a false claim is supported by chance in
        2.5% at most. A true one is refuted by chance in 2.5% at most for each of its parts.
        """
        verdicts = {judged.verdict for judged in self.parts}
        if Verdict.REFUTED in verdicts:
            return Verdict.REFUTED
        return Verdict.UNDECIDED if Verdict.UNDECIDED in verdicts else Verdict.SUPPORTED

    @property
    def decisive(self) -> Judged:
        """The part that the verdict hangs on: the first with the claim's own."""
        return next(judged for judged in self.parts if judged.verdict is self.verdict)


def ruling(claim: Claim, evidence: Evidence) -> Ruling:
    """Judge a claim by what was recorded."""
    return Ruling(claim, tuple(judged(part, evidence) for part in claim.parts))


def judged(part: Part, evidence: Evidence) -> Judged:
    """Judge one part by what was recorded."""
    values = tuple(quantity.values(evidence) for quantity in part.quantities)
    seeds = sorted(set(values[0]).intersection(*values[1:]))
    effects = {seed: part.effect(*(scores[seed] for scores in values)) for seed in seeds}
    effect, low, high = centre_and_interval(list(effects.values()))
    verdict, reason = verdict_on(low, high, part.least), ""
    if len(effects) < 2:
        reason = "nothing was measured" if not effects else "one seed has no interval"
    elif part.learned is not None and not _learned(part.learned, evidence):
        verdict = Verdict.UNDECIDED
        reason = f"the experiment cannot tell, for too little was learned ({part.learned.name})"
    return Judged(part, values, effects, effect, low, high, verdict, reason)


def verdict_on(low: float, high: float, least: float) -> Verdict:
    """The rule: where the interval of an effect lies beside the smallest effect that counts."""
    if low >= least:
        return Verdict.SUPPORTED
    return Verdict.REFUTED if high < least else Verdict.UNDECIDED


def centre_and_interval(effects: Sequence[float]) -> tuple[float, float, float]:
    """The mean of effects, one a seed, and Student's 95% interval of it; NaN where there is none.

    Effects are differences between models that saw the same data, seed by seed, so that they are
    nearer to normal than scores are; and with three to five seeds a percentile bootstrap is far too
    narrow, where Student's interval keeps its level. Equal effects have an interval of no width.
    """
    values = np.asarray(effects, float)
    if not len(values):
        return float("nan"), float("nan"), float("nan")
    if len(values) < 2:
        return float(values[0]), float("nan"), float("nan")
    if np.ptp(values) == 0:  # rounding must give their mean no width
        return (float(values[0]),) * 3
    mean = float(values.mean())
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1) * stats.sem(values))
    return mean, mean - half, mean + half


def _learned(quantity: Quantity, evidence: Evidence) -> bool:
    scores = list(quantity.values(evidence).values())
    return bool(scores) and float(np.mean(scores)) >= LEARNED
