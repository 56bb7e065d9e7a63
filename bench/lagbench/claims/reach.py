"""What simple and gated recurrent networks remember, and for how long."""

import math
from statistics import mean

from lagbench.claims.claim import Claim, Part
from lagbench.claims.evidence import (
    Quantity,
    accuracy_within,
    over_lengths,
    parameters_of,
    score,
    time_per_token,
)
from lagbench.cost.step_time import Shape
from lagbench.report import statistics

LENGTHS = (16, 32, 64, 128)
NEAR, FAR = (1, 8), (24, 31)  # lags on recall at length 32
GRU, LSTM = (Shape(name, length=64, batch=32, width=64) for name in ("gru", "lstm"))


def horizon(architecture: str) -> Quantity:
    """The memory horizon in doublings: log₂ of the length to which the score holds."""

    def read(scores: list[float]) -> float:
        return math.log2(float(statistics.horizon(LENGTHS, scores)))

    cells = [("recall", length) for length in LENGTHS]
    return over_lengths("log₂ of the memory horizon", "memory", architecture, cells, read)


def far(architecture: str) -> Quantity:
    """The accuracy on what stood at the very beginning."""
    return accuracy_within("memory", (architecture, "recall", 32), FAR)


def mean_score(architecture: str) -> Quantity:
    """The mean score on recall at all lengths."""
    cells = [("recall", length) for length in LENGTHS]
    return over_lengths("mean score on recall", "memory", architecture, cells, mean)


def adding(architecture: str) -> Quantity:
    """The mean score on adding."""
    cells = [("adding", 16), ("adding", 32)]
    return over_lengths("mean score on adding", "gates", architecture, cells, mean)


def difference(first: float, second: float) -> float:
    """By how much the first is greater."""
    return first - second


def saved(new: float, old: float) -> float:
    """Which share of the old the new saves."""
    return 1 - new / old


DECAYS = Claim(
    1,
    "A simple RNN's memory of the first input decays; gates keep it.",
    "Recall at length 32, with the cue anywhere: accuracy where the cue stood among the first "
    "steps (lags 24 to 31) against where it stood among the last (lags 1 to 8).",
    (
        Part(
            "the simple RNN answers at least 0.1 less often what stood at the beginning",
            (accuracy_within("memory", ("rnn", "recall", 32), NEAR), far("rnn")),
            difference,
            0.1,
        ),
        Part(
            "an LSTM answers that at least 0.2 more often than the simple RNN",
            (far("lstm"), far("rnn")),
            difference,
            0.2,
        ),
        Part(
            "a GRU answers that at least 0.2 more often than the simple RNN",
            (far("gru"), far("rnn")),
            difference,
            0.2,
        ),
    ),
    "Within one length, what is compared is lags: a net that has not learned to hold the cue at "
    "all misses it at every lag alike, and shows no decay here. What longer sequences cost it is "
    "the third claim.",
)

FURTHER = Claim(
    3,
    "LSTM and GRU reach further than the simple RNN.",
    "The memory horizon on recall, the length up to which the score is 0.5 or more, in doublings. "
    "Lengths from 16 to 128 were tried: a horizon beyond either end counts as that end, which can "
    "only make the difference smaller.",
    tuple(
        Part(
            f"the {name} reaches at least twice as far",
            (horizon(name.lower()), horizon("rnn")),
            difference,
            1.0,
            score("memory", name.lower(), "recall", 16),
        )
        for name in ("LSTM", "GRU")
    ),
)

CHEAPER = Claim(
    4,
    "GRU is about as good as LSTM, and cheaper.",
    "Scores at equal parameters on recall (16 to 128 steps) and on adding (16 and 32 steps); the "
    "price at equal width: parameters, and the time of a training step on 64 steps, 32 at once.",
    (
        Part(
            "GRU scores at most 0.05 less on recall",
            (mean_score("gru"), mean_score("lstm")),
            difference,
            -0.05,
        ),
        Part(
            "GRU scores at most 0.05 less on adding",
            (adding("gru"), adding("lstm")),
            difference,
            -0.05,
        ),
        Part(
            "at equal width it has at least a tenth fewer parameters",
            (parameters_of(GRU), parameters_of(LSTM)),
            saved,
            0.1,
        ),
        Part(
            "at equal width its training step takes at least a tenth less time",
            (time_per_token(GRU), time_per_token(LSTM)),
            saved,
            0.1,
        ),
    ),
    "Time is that of the implementations at hand: where a library has one fused call for an LSTM, "
    "and a GRU is written as a loop, three quarters of the arithmetic need not take less time.",
)

VERY_LONG = Claim(
    14,
    "Even LSTMs fail on very long lags, where attention does not.",
    "Recall at length 256, with equal parameters and equal steps.",
    (
        Part(
            "the LSTM scores less than 0.5 (the effect is how much less)",
            (score("far", "lstm", "recall", 256),),
            lambda lstm: 0.5 - lstm,
            0.0,
        ),
        Part(
            "a Transformer scores at least 0.3 more",
            (score("far", "transformer", "recall", 256), score("far", "lstm", "recall", 256)),
            difference,
            0.3,
            score("far", "transformer", "recall", 256),
        ),
    ),
    "With more steps an LSTM may learn it yet: what is compared is what both learn in as many.",
)
