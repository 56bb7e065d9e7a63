"""How each architecture looks, the same in every chart and table of a report.

Colours are Okabe and Ito's, which people with any kind of colour vision tell apart. Black and
yellow are replaced by a grey and an olive that read on a dark and on a white ground. Shapes and,
from the ninth architecture on, dashes say the same again.
"""

from dataclasses import dataclass

import pandas as pd

COLOURS = (
    "#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7", "#56B4E9", "#8A8A8A", "#999933",
)  # fmt: skip
SHAPES = (
    "circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right",
)  # fmt: skip
DASHES = ((1, 0), (6, 3), (2, 2), (8, 3, 2, 3), (12, 4), (4, 1, 1, 1))


@dataclass(frozen=True)
class Look:
    """Colour, point shape and line dash of one architecture."""

    colour: str
    shape: str
    dash: tuple[int, ...]


def looks(summary: pd.DataFrame) -> dict[str, Look]:
    """A look for each architecture of `summary`, those with a score first, in alphabetical order.

    Eight colours, seven shapes and six dashes that change every eighth time repeat together only
    after 336 architectures.
    """
    scored = summary.loc[summary["seeds"] > 0, "architecture"]
    ordered = [*sorted(scored.unique()), *sorted(summary["architecture"].unique())]
    return {
        str(name): Look(
            COLOURS[index % len(COLOURS)],
            SHAPES[index % len(SHAPES)],
            DASHES[index // len(COLOURS) % len(DASHES)],
        )
        for index, name in enumerate(dict.fromkeys(ordered))
    }
