"""`copy`: say a string again; `copy_memory`: after a delay, in step."""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from lagbench import Alignment, Batch, Signature, Split, Task, Tokens, UserError, register
from lagbench.material import lengths
from lagbench.material.rewriting import Rewriting


@dataclass(frozen=True)
class Copy(Rewriting):
    """Repeat the string.

    Data:
        3 1 4 1 5  ->  3 1 4 1 5
    Length: symbols; at least 1.
    Lag: the number of symbols of the string.
    Chance: `1 / alphabet`; if lengths vary, that or `end`, whichever is more likely at a target
        step.
    Source: Graves, Wayne and Danihelka (2014), Neural Turing Machines (arXiv:1410.5401), with
        symbols instead of bit vectors. The copy memory task of Arjovsky et al. and TCN is
        `copy_memory`.

    Attributes:
        alphabet: the number of different symbols; at least 2.
        shortest: the shortest string as a share of the longest. Below 1, the strings of a batch
            have different lengths, uniformly, and an `end` symbol, number `alphabet`, closes each
            target.
    """

    def order(self, source: Tensor, steps: Tensor) -> Tensor:
        return torch.arange(source.shape[1]).expand(source.shape)


@dataclass(frozen=True)
class CopyMemory(Task):
    """Hold some symbols over a delay, then repeat them step by step.

    Data:
        3 1 4 0 0 0 0 0 9 9 9 9  ->  0 0 0 0 0 0 0 0 0 3 1 4
        At length 6 with `symbols=3`: blank 0, marker 9, symbols 1 to 8.
    Length: the delay `T` of the papers, at least 1; the source has `T + 2 symbols` steps.
    Lag: `T + symbols` for every symbol.
    Chance: blanks are always right and count, as published, and `1 / alphabet` of the symbols; a
        score therefore measures the symbols only.
    Source: Arjovsky, Shah and Bengio (2016), Unitary Evolution Recurrent Neural Networks
        (arXiv:1511.06464), is `marker=once`. The default is exactly that of Bai, Kolter and Koltun
        (2018), TCN (arXiv:1803.01271), with T = 500, 1000 and 2000.

    Attributes:
        symbols: the number of symbols held; at least 1.
        alphabet: the number of different symbols; at least 2.
        marker: "held": on while the answer is due; "once": for one step, followed by blanks.
    """

    symbols: int = 10
    alphabet: int = 8
    marker: Literal["held", "once"] = "held"

    def __post_init__(self) -> None:
        if self.symbols < 1 or self.alphabet < 2:
            raise UserError("copy_memory needs at least 1 symbol, and 2 different ones.")

    def signature(self, length: int) -> Signature:
        lengths.require("copy_memory", length, 1)
        steps = length + 2 * self.symbols
        space = Tokens(self.alphabet + 2)
        return Signature(space, space, Alignment.ALIGNED, steps, steps, causal=True)

    def sample(self, length: int, count: int, generator: torch.Generator, split: Split) -> Batch:
        steps = self.signature(length).steps
        held = torch.randint(1, self.alphabet + 1, (count, self.symbols), generator=generator)
        source = torch.zeros(count, steps, dtype=torch.int64)
        source[:, : self.symbols] = held
        sounding = self.symbols + length - 1
        source[:, sounding : steps if self.marker == "held" else sounding + 1] = self.alphabet + 1
        lag = torch.full((count, steps), -1)
        lag[:, -self.symbols :] = length + self.symbols
        return Batch(source, self.oracle(length, source, None), lag=lag)

    def chance(self, length: int) -> float:
        return (length + self.symbols + self.symbols / self.alphabet) / (length + 2 * self.symbols)

    def memoryless_floor(self, length: int) -> float:
        """Cross-entropy in nats over all positions of the best predictor without a memory.

        It knows when the symbols are due but not which: `10 ln 8 / (T + 20)` as published.
        """
        return self.symbols * math.log(self.alphabet) / (length + 2 * self.symbols)

    def oracle(self, length: int, source: Tensor, source_mask: Tensor | None) -> Tensor:
        """Blanks, then the first symbols."""
        answer = torch.zeros_like(source)
        answer[:, -self.symbols :] = source[:, : self.symbols]
        return answer


register("copy", Copy())
register("copy_memory", CopyMemory())
