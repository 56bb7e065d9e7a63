"""What runs at once, and what must wait for the step before."""

import math

from lagbench.claims.claim import Claim, Part
from lagbench.claims.evidence import Quantity, time_per_token
from lagbench.cost.step_time import Shape

TOKENS = 256
SHORT = 16  # steps
RECURRENT = {"a simple RNN": "rnn", "an LSTM": "lstm", "a GRU": "gru"}


def timed(architecture: str, length: int) -> Quantity:
    """As many tokens as ever, in sequences of a length."""
    return time_per_token(Shape(architecture, length, TOKENS // length, width=64))


def slowdowns(long: float, short: float, other_long: float, other_short: float) -> float:
    """Log₂ of how many times more the first slows down than the other, from short to long."""
    return math.log2((long / short) / (other_long / other_short))


PARALLEL = Claim(
    13,
    "A recurrence cannot be parallelised over time, a Transformer can.",
    f"The time of a training step a token on {TOKENS} tokens, as {TOKENS // SHORT} sequences of "
    f"{SHORT} steps and as one of {TOKENS}, width 64, on one core. What works on all steps at "
    "once takes either alike; what must go step by step does at once only what stands side by side "
    "in a batch.",
    tuple(
        Part(
            f"from {SHORT} steps to {TOKENS}, {who} slows down at least 2 times as much as a "
            "Transformer (the effect is log₂ of how many times)",
            (
                timed(name, TOKENS),
                timed(name, SHORT),
                timed("transformer", TOKENS),
                timed("transformer", SHORT),
            ),
            slowdowns,
            1.0,
        )
        for who, name in RECURRENT.items()
    ),
    "One core is hardly a parallel machine: where a single step keeps it busy, as in an LSTM that "
    "a library has in one call, nothing is lost by waiting for it. And attention costs more on a "
    "long sequence. Both count against the claim, which is made of machines that do much more at "
    "once.",
)
