"""What a gradient comes to on its way back through a recurrence."""

import math

from lagbench.claims.claim import Claim, Part
from lagbench.claims.evidence import Quantity, probed, score
from lagbench.claims.reach import difference

LENGTH = 64
ANYWHERE, FIRST = "recall", "recall:cue=first"
EXPLODING, VANISHING = "linear_rnn:scale=1.2", "linear_rnn:scale=0.8"


def growth(architecture: str) -> Quantity:
    """By how many orders of magnitude the gradient grows from the last input to the first."""

    def read(curve: dict[float, float]) -> float | None:
        last, first = curve[min(curve)], curve[max(curve)]
        return math.log10(first / last) if first > 0 and last > 0 else None

    cell = architecture, ANYWHERE, LENGTH
    name = "log₁₀ of the first input's gradient over the last one's, before training"
    return probed(name, "clipped", cell, "gradient_reach_initial", read)


GRADIENTS = Claim(
    2,
    "W > 1 explodes, W < 1 vanishes; clipping mends the first and not the second.",
    "A linear recurrence h = W h + V x whose W begins at 1.2 or at 0.8, on recall at length 64, "
    "with and without its gradient clipped to a norm of 1. Explosion is tried with the cue "
    "anywhere, so that gradients of all sizes meet; vanishing with the cue first, so that no short "
    "lag can teach W to be greater.",
    (
        Part(
            "with W = 1.2 the gradient grows more than tenfold on its way to the first input",
            (growth(EXPLODING),),
            lambda growth: growth,
            1.0,
        ),
        Part(
            "with W = 0.8 the gradient shrinks more than tenfold on its way",
            (growth(VANISHING),),
            lambda growth: -growth,
            1.0,
        ),
        Part(
            "clipping raises the score with W = 1.2 by at least 0.2",
            (
                score("clipped", EXPLODING, ANYWHERE, LENGTH),
                score("unclipped", EXPLODING, ANYWHERE, LENGTH),
            ),
            difference,
            0.2,
            score("clipped", EXPLODING, ANYWHERE, LENGTH),
        ),
        Part(
            "clipping raises the score with W = 0.8 by less than 0.2 (the effect is how much less)",
            (
                score("clipped", VANISHING, FIRST, LENGTH),
                score("unclipped", VANISHING, FIRST, LENGTH),
            ),
            lambda clipped, unclipped: 0.2 - (clipped - unclipped),
            0.0,
            score("clipped", "linear_rnn", FIRST, LENGTH),
        ),
        Part(
            "where clipped W = 0.8 fails, clipped W = 1 scores at least 0.2 more",
            (
                score("clipped", "linear_rnn", FIRST, LENGTH),
                score("clipped", VANISHING, FIRST, LENGTH),
            ),
            difference,
            0.2,
        ),
    ),
    "All are trained by Adam, which divides a gradient by its own size: clipping matters to it "
    "where sizes differ from step to step.",
)
