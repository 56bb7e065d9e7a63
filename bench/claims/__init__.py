"""The claims of the lectures, each put to the test on records."""

from bench.claims.claim import Claim
from bench.claims.depth import DEPTH
from bench.claims.gradients import GRADIENTS
from bench.claims.language import COUNTS, FUTURE, POSITIONS
from bench.claims.machine import PARALLEL
from bench.claims.reach import CHEAPER, DECAYS, FURTHER, VERY_LONG
from bench.claims.space import SPACE
from bench.claims.writing import ALIGNMENT, CONSISTENCY, LONGER_SOURCES, SEARCH

CLAIMS: tuple[Claim, ...] = (
    DECAYS,
    GRADIENTS,
    FURTHER,
    CHEAPER,
    DEPTH,
    FUTURE,
    COUNTS,
    POSITIONS,
    LONGER_SOURCES,
    ALIGNMENT,
    SEARCH,
    CONSISTENCY,
    PARALLEL,
    VERY_LONG,
    SPACE,
)
