"""What depth is worth."""

from lagbench.claims.claim import Claim, Part
from lagbench.claims.evidence import Quantity, score
from lagbench.claims.reach import difference


def layers(count: int) -> Quantity:
    """The score of so many layers of GRU."""
    name = "gru" if count == 1 else f"gru:layers={count}"
    return score("depth", name, "translation", 8)


DEPTH = Claim(
    5,
    "Depth helps on harder functions, and three layers are already a lot.",
    "GRUs of one, two, three and six layers and equally many parameters in all, on translation, "
    "where words change their order and agree with others, all for as many steps.",
    (
        Part(
            "two layers score at least 0.05 more than one",
            (layers(2), layers(1)),
            difference,
            0.05,
            layers(2),
        ),
        Part(
            "six layers score at most 0.05 more than three (the effect is what they lose)",
            (layers(3), layers(6)),
            difference,
            -0.05,
            layers(3),
        ),
    ),
    "At equal parameters deeper means narrower; and a deep net that trains longer may catch up.",
)
