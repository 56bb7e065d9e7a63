"""Pairing: how an architecture is run on a signature, or why it is not.

Four plans serve every pair, so that N architectures and M tasks need no N × M cases.
"""

from dataclasses import dataclass
from enum import StrEnum

from lagbench.contract import Alignment, Architecture, EncoderDecoder, Frames, Signature, Space


class PlanKind(StrEnum):
    """How a core is put to work."""

    POOL = "pool"  # embed, mix, pool, head
    STEP = "step"  # embed, mix, head at every step
    PREFIX = "prefix"  # a causal mixer over source, start symbol, targets so far
    TRANSDUCE = "transduce"  # an encoder–decoder


@dataclass(frozen=True)
class Plan:
    """An architecture at work on a signature."""

    kind: PlanKind
    architecture: Architecture
    signature: Signature

    @property
    def writes(self) -> bool:
        """Whether the answer is written one step at a time, reading what was written."""
        return self.kind in (PlanKind.PREFIX, PlanKind.TRANSDUCE)


@dataclass(frozen=True)
class Unsupported:
    """An architecture that cannot be run on a signature, and why, as a clause for a person."""

    reason: str


def match(architecture: Architecture, signature: Signature) -> Plan | Unsupported:
    """The plan for this pair, or the reason why there is none."""
    refusal = _refusal(architecture, signature)
    if refusal is not None:
        return Unsupported(refusal)
    return Plan(_kind(architecture, signature), architecture, signature)


def _kind(architecture: Architecture, signature: Signature) -> PlanKind:
    if isinstance(architecture, EncoderDecoder):
        return PlanKind.TRANSDUCE
    return {
        Alignment.POOLED: PlanKind.POOL,
        Alignment.ALIGNED: PlanKind.STEP,
        Alignment.FREE: PlanKind.PREFIX,
    }[signature.alignment]


def _refusal(architecture: Architecture, signature: Signature) -> str | None:
    kind = _kind(architecture, signature)
    if isinstance(signature.target, Frames):
        return "no head writes frames"
    if architecture.input_spaces is not None:
        if type(signature.source) not in architecture.input_spaces:
            wanted = " or ".join(space.__name__.lower() for space in architecture.input_spaces)
            return f"it reads {wanted}, and the task gives {_name(signature.source)}"
        if kind is PlanKind.PREFIX:
            return "it reads its source raw, so it cannot read its own answers back"
    if signature.causal and not architecture.causal:
        return "it reads ahead, and the task's targets may depend on the steps so far alone"
    if kind is PlanKind.PREFIX and not architecture.causal:
        return "it reads ahead, so it cannot write its answer one step at a time"
    steps = _steps(kind, signature)
    if architecture.max_length is not None and steps > architecture.max_length:
        return f"it reads at most {architecture.max_length} steps, and the task has {steps}"
    return None


def _steps(kind: PlanKind, signature: Signature) -> int:
    """The longest sequence that a core reads: of a transducer, the source or the targets."""
    match kind:
        case PlanKind.PREFIX:
            return signature.steps + signature.target_steps
        case PlanKind.TRANSDUCE:
            return max(signature.steps, signature.target_steps)
        case PlanKind.POOL | PlanKind.STEP:
            return signature.steps


def _name(space: Space) -> str:
    return type(space).__name__.lower()
