"""What runs at once on a machine, and what must wait for the step before."""

from bench.claims.claim import Claim, Part
from bench.claims.evidence import Quantity, time_per_token
from bench.speed.pace import Shape

LENGTHS = (64, 512)
RECURRENT = {"a simple RNN": "rnn", "an LSTM": "lstm"}


def timed(architecture: str, length: int, threads: int) -> Quantity:
    """One sequence at a time, so that time is all there is to share out."""
    return time_per_token(Shape(architecture, length, batch=1, width=128, threads=threads))


def speedups(one: float, two: float, recurrent_one: float, recurrent_two: float) -> float:
    """How many times more a second thread speeds up the first than the second."""
    return (one / two) / (recurrent_one / recurrent_two)


PARALLEL = Claim(
    13,
    "A recurrence cannot be parallelised over time, a Transformer can.",
    f"The time of a training step a token on one sequence of {LENGTHS[1]} steps, width 128, with "
    "one thread and with two. The second can help with nothing but the steps of that sequence.",
    tuple(
        Part(
            f"a second thread speeds up a Transformer at least 1.2 times as much as {who}",
            (
                timed("transformer", LENGTHS[1], 1),
                timed("transformer", LENGTHS[1], 2),
                timed(name, LENGTHS[1], 1),
                timed(name, LENGTHS[1], 2),
            ),
            speedups,
            1.2,
        )
        for who, name in RECURRENT.items()
    ),
    "A measurement of this machine, which should do nothing else meanwhile. The products over all "
    "steps within a recurrence, W x, are parallel too; U h is not.",
)
