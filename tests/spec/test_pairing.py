"""Which plan serves a pair, and every reason for which there is none."""

from dataclasses import dataclass, replace

import pytest

from lagbench.contract import (
    Alignment,
    Architecture,
    EncoderDecoder,
    Frames,
    Mixer,
    Reals,
    Signature,
    Tokens,
    Transducer,
)
from lagbench.spec.pairing import Plan, PlanKind, Unsupported, match


@dataclass(frozen=True)
class Core(Architecture):
    ahead: bool = False
    most: int | None = None

    @property
    def causal(self) -> bool:
        return not self.ahead

    @property
    def max_length(self) -> int | None:
        return self.most

    def build(self, width: int, signature: Signature) -> Mixer:
        raise AssertionError("matching builds nothing")


@dataclass(frozen=True)
class Raw(Core):
    input_spaces = (Frames, Reals)


@dataclass(frozen=True)
class Writer(EncoderDecoder):
    most: int | None = None

    @property
    def max_length(self) -> int | None:
        return self.most

    def build(self, width: int, signature: Signature) -> Transducer:
        raise AssertionError("matching builds nothing")


SYMBOLS = Tokens(3)


def signature(alignment, source=SYMBOLS, target=SYMBOLS, causal=False):
    return Signature(source, target, alignment, steps=8, target_steps=5, causal=causal)


POOLED, ALIGNED, FREE = Alignment


@pytest.mark.parametrize(
    ("architecture", "alignment", "kind"),
    [
        (Core(), POOLED, PlanKind.POOL),
        (Core(), ALIGNED, PlanKind.STEP),
        (Core(), FREE, PlanKind.PREFIX),
        (Core(ahead=True), POOLED, PlanKind.POOL),
        (Core(ahead=True), ALIGNED, PlanKind.STEP),
        (Core(most=8), POOLED, PlanKind.POOL),
        (Core(most=13), FREE, PlanKind.PREFIX),
        (Writer(), POOLED, PlanKind.TRANSDUCE),
        (Writer(), ALIGNED, PlanKind.TRANSDUCE),
        (Writer(), FREE, PlanKind.TRANSDUCE),
        (Writer(most=8), FREE, PlanKind.TRANSDUCE),
    ],
)
def test_what_makes_sense_has_a_plan(architecture, alignment, kind):
    stated = signature(alignment)
    plan = match(architecture, stated)
    assert plan == Plan(kind, architecture, stated)
    assert plan.writes == (kind in (PlanKind.PREFIX, PlanKind.TRANSDUCE))


@pytest.mark.parametrize("source", [Reals(2), Frames(1, 2, 2)])
def test_a_core_reads_its_own_spaces_raw(source):
    assert isinstance(match(Raw(), signature(POOLED, source)), Plan)


def test_a_causal_core_runs_a_causal_task():
    assert isinstance(match(Core(), signature(ALIGNED, causal=True)), Plan)


AHEAD = "it reads ahead, and the task's targets may depend on the steps so far alone"


@pytest.mark.parametrize(
    ("architecture", "stated", "reason"),
    [
        (Core(), signature(POOLED, target=Frames(1, 2, 2)), "no head writes frames"),
        (Raw(), signature(POOLED), "it reads frames or reals, and the task gives tokens"),
        (
            Raw(),
            signature(FREE, Reals(1)),
            "it reads its source raw, so it cannot read its own answers back",
        ),
        (Core(ahead=True), signature(ALIGNED, causal=True), AHEAD),
        (Writer(), signature(ALIGNED, causal=True), AHEAD),
        (
            Core(ahead=True),
            signature(FREE),
            "it reads ahead, so it cannot write its answer one step at a time",
        ),
        (Core(most=7), signature(POOLED), "it reads at most 7 steps, and the task has 8"),
        (Core(most=12), signature(FREE), "it reads at most 12 steps, and the task has 13"),
        (Writer(most=7), signature(FREE), "it reads at most 7 steps, and the task has 8"),
        (
            Writer(most=8),
            replace(signature(FREE), target_steps=9),
            "it reads at most 8 steps, and the task has 9",
        ),
    ],
)
def test_every_refusal_says_why(architecture, stated, reason):
    assert match(architecture, stated) == Unsupported(reason)
