"""`temporal_order`: in which order two or three signals came, far apart, among distractors."""

from dataclasses import dataclass
from itertools import product
from typing import Literal

import torch
from torch import Tensor

from lagbench import (
    Alignment,
    Batch,
    DisplayNames,
    Signature,
    Split,
    Task,
    Tokens,
    UserError,
    register,
)
from lagbench.material import lengths

WORDS = ["a", "b", "c", "d", "X", "Y", "E", "B"]
_DISTRACTORS, _FIRST_SIGNAL, _START, _STOP = 4, 4, 6, 7
_WINDOWS = {2: (0.10, 0.50), 3: (0.10, 0.33, 0.66)}  # where signals may start, as shares of T
_WINDOW = 0.10


@dataclass(frozen=True)
class TemporalOrder(Task):
    """Name the order of the signals X and Y among distractors.

    Data:
        E b d X a c c Y a b B  ->  XY  (class 1 of XX, XY, YX, YY)
    Length: tokens, `E` and `B` included; at least `signals + 2`, or 10 with `places=windows`.
    Lag: to the first signal. All signals decide, and it is the furthest.
    Chance: `2^-signals`; all orders are equally likely.
    Source: Hochreiter and Schmidhuber (1997), Long Short-Term Memory, Neural Computation 9(8),
        experiment 6. `places=windows` at length 100 is task 6a (`signals=2`) and 6b (`signals=3`):
        signals in steps 10 to 20 and 50 to 60, or 10 to 20, 33 to 43 and 66 to 76. Their sequences
        have 100 to 110 steps; here all have the same length, and the windows grow with it.

    Attributes:
        signals: the number of signals, 2 or 3.
        places: "anywhere": all sets of steps between `E` and `B` are equally likely; "windows": in
            the windows of the paper.
    """

    signals: int = 2
    places: Literal["anywhere", "windows"] = "anywhere"

    def __post_init__(self) -> None:
        if self.signals not in _WINDOWS:
            raise UserError(f"temporal_order needs 2 or 3 signals, not {self.signals}.")

    def signature(self, length: int) -> Signature:
        least = 10 if self.places == "windows" else self.signals + 2
        lengths.require("temporal_order", length, least)
        return Signature(Tokens(len(WORDS)), Tokens(2**self.signals), Alignment.POOLED, length)

    def sample(self, length: int, count: int, generator: torch.Generator, split: Split) -> Batch:
        self.signature(length)
        source = torch.randint(_DISTRACTORS, (count, length), generator=generator)
        source[:, 0], source[:, -1] = _START, _STOP
        places = self._places(length, count, generator)
        signals = torch.randint(2, places.shape, generator=generator)
        source.scatter_(1, places, _FIRST_SIGNAL + signals)
        return Batch(source, self._order(signals), lag=length - 1 - places[:, :1])

    def chance(self, length: int) -> float:
        return 0.5**self.signals

    def oracle(self, length: int, source: Tensor, source_mask: Tensor | None) -> Tensor:
        """Leave out all but X and Y."""
        signal = (source == _FIRST_SIGNAL) | (source == _FIRST_SIGNAL + 1)
        return self._order(source[signal].view(-1, self.signals) - _FIRST_SIGNAL)

    def display_names(self, length: int) -> DisplayNames:
        return DisplayNames(WORDS, ["".join(order) for order in product("XY", repeat=self.signals)])

    def _places(self, length: int, count: int, generator: torch.Generator) -> Tensor:
        """The steps of the signals, `(count, signals)`, in ascending order."""
        if self.places == "anywhere":
            keys = torch.rand(count, length - 2, generator=generator)
            return 1 + keys.topk(self.signals).indices.sort(1).values
        first = torch.tensor([round(share * length) for share in _WINDOWS[self.signals]])
        window = round(_WINDOW * length) + 1  # both ends count, as in the paper
        return first + torch.randint(window, (count, self.signals), generator=generator)

    def _order(self, signals: Tensor) -> Tensor:
        """Signals `(B, signals)` of 0 and 1 as the binary number that they write, `(B, 1)`."""
        weights = 2 ** torch.arange(self.signals - 1, -1, -1)
        return (signals * weights).sum(1, keepdim=True)


register("temporal_order", TemporalOrder())
