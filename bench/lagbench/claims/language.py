"""What order, and the words to come, are worth in a sentence."""

import math

from lagbench.claims.claim import Claim, Part
from lagbench.claims.evidence import accuracy_within, parameters, score
from lagbench.claims.reach import difference

CHANCE = 1 / 8  # of recall
WINDOW = 8  # steps, of `windowed_dense`

FUTURE = Claim(
    6,
    "A tag that depends on the future needs a bidirectional net.",
    "Whether a name is a person or a thing, which a later word decides, at equal parameters.",
    tuple(
        Part(
            f"among {length} words a bidirectional LSTM scores at least 0.2 more than an LSTM",
            (
                score("future", "bilstm", "disambiguation", length),
                score("future", "lstm", "disambiguation", length),
            ),
            difference,
            0.2,
            score("future", "bilstm", "disambiguation", length),
        )
        for length in (8, 16)
    ),
)

COUNTS = Claim(
    7,
    'Word counts cannot tell "not long but interesting" from "long but not interesting"; n-grams '
    "can, at an exponential price.",
    "The verdict of reviews of 12 words with two opinions each, at equal width. In such reviews a "
    "verdict can be read off five words that follow each other. Counts of five words are hashed "
    "into 65,536 rows, since there are tens of millions; up to three words are counted exactly.",
    (
        Part(
            "counts of words score less than 0.1 (the effect is how much less)",
            (score("counts", "bag_of_words", "sentiment", 12),),
            lambda words: 0.1 - words,
            0.0,
        ),
        Part(
            "counts of five words score at least 0.5",
            (score("counts", "ngram:n=5,table=65536", "sentiment", 12),),
            lambda ngrams: ngrams,
            0.5,
        ),
        Part(
            "a word more makes ten times as many parameters at least (the effect is log₁₀ of it)",
            (
                parameters("counts", "ngram:n=3,table=100000", "sentiment", 12),
                parameters("counts", "ngram:n=1", "sentiment", 12),
            ),
            lambda with_three, with_one: math.log10(with_three / with_one) / 2,
            1.0,
        ),
    ),
)

POSITIONS = Claim(
    8,
    "A windowed dense net fails beyond its window, and a dense net without sharing fails when the "
    "position moves.",
    f"Recall at length 32 for a dense net over the last {WINDOW} steps; and which year a sentence "
    "of 16 words tells, wherever it stands, for a dense net over all of them beside a convolution, "
    "whose weights are shared over positions. All have equal parameters.",
    (
        Part(
            "the windowed net is right at least 0.5 more often within its window than beyond",
            (
                accuracy_within("places", ("windowed_dense", "recall", 32), (1, WINDOW - 1)),
                accuracy_within("places", ("windowed_dense", "recall", 32), (WINDOW, 31)),
            ),
            difference,
            0.5,
        ),
        Part(
            "beyond its window it is right at most 0.1 more often than chance (the effect is how "
            "much less)",
            (accuracy_within("places", ("windowed_dense", "recall", 32), (WINDOW, 31)),),
            lambda beyond: CHANCE + 0.1 - beyond,
            0.0,
        ),
        Part(
            "where the position moves, shared weights score at least 0.2 more",
            (
                score("places", "conv1d", "extraction", 16),
                score("places", "dense", "extraction", 16),
            ),
            difference,
            0.2,
            score("places", "conv1d", "extraction", 16),
        ),
    ),
    "A dense net can learn every position by itself, given enough examples of each: it fails "
    "within as many examples as the others had.",
)
