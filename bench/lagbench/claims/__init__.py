"""The claims of the lectures, each put to the test on records."""

from lagbench.claims.claim import Claim
from lagbench.claims.depth import DEPTH
from lagbench.claims.gradients import GRADIENTS
from lagbench.claims.language import COUNTS, FUTURE, POSITIONS
from lagbench.claims.machine import PARALLEL
from lagbench.claims.reach import CHEAPER, DECAYS, FURTHER, VERY_LONG
from lagbench.claims.space import SPACE
from lagbench.claims.writing import ALIGNMENT, CONSISTENCY, LONGER_SOURCES, SEARCH

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
