"""`transcription`: a noisy signal in which every symbol sounds for a while, to be written down."""

from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import torch
from torch import Tensor

from lagbench import Alignment, Batch, Reals, Signature, Split, Task, Tokens, UserError, register
from lagbench.material import lengths, text_metrics


@dataclass(frozen=True)
class Transcription(Task):
    """Write down the symbols in a noisy signal: speech recognition in miniature.

    Data:
         0.6  1.4  0.9  1.1  0.8 -0.4 -1.6
        -1.3 -0.8 -1.1  1.7  0.5 -1.0 -0.3  ->  1 3 0 end
        At length 8 with 4 symbols, whose values have the signs `--`, `+-`, `-+` and `++`. A symbol
        lasts for some frames and differs from the one before. The signs are the bits of its number;
        noise is smaller than the signal, so that every frame can be recognised.
    Length: the most frames; at least `slowest`. The signal ends with the last symbol that fits.
    Lag: none; a symbol lasts for several frames, and no single one decides it.
    Chance: any symbol, or `end` (number `alphabet`), at each target step.
    Source: labels for unsegmented sequences as in Graves et al. (2006), Connectionist Temporal
        Classification, ICML, by attention as in Chorowski et al. (2015), arXiv:1506.07503.

    Attributes:
        alphabet: the number of different symbols; at least 2.
        fastest: the fewest frames of a symbol; at least 1.
        slowest: the most frames of a symbol; every number between is equally likely.
        noise: the amplitude of uniform noise, from 0 to below 1, the amplitude of the signal.
    """

    alphabet: int = 8
    fastest: int = 2
    slowest: int = 6
    noise: float = 0.8

    def __post_init__(self) -> None:
        if self.alphabet < 2:
            raise UserError(f"transcription needs at least 2 symbols, not {self.alphabet}.")
        if not 1 <= self.fastest <= self.slowest:
            raise UserError(
                "transcription needs 1 <= fastest <= slowest, not "
                f"{self.fastest} and {self.slowest}."
            )
        if not 0 <= self.noise < 1:
            raise UserError(f"transcription needs a noise from 0 to below 1, not {self.noise}.")

    @property
    def width(self) -> int:
        """As many values a frame as a symbol's number has bits."""
        return (self.alphabet - 1).bit_length()

    def signature(self, length: int) -> Signature:
        lengths.require("transcription", length, self.slowest)
        return Signature(
            Reals(self.width),
            Tokens(self.alphabet + 1, end=self.alphabet),
            Alignment.FREE,
            length,
            length // self.fastest + 1,
            padded=self.fastest < self.slowest or length % self.slowest != 0,
        )

    def sample(self, length: int, count: int, generator: torch.Generator, split: Split) -> Batch:
        most = self.signature(length).target_steps - 1
        symbol = self._symbols(most, count, generator)
        frames = torch.randint(self.fastest, self.slowest + 1, symbol.shape, generator=generator)
        after = frames.cumsum(1)  # the first frame after each symbol
        complete = after <= length
        steps, symbols = (after * complete).amax(1), complete.sum(1)
        ended = torch.zeros(count, length + 1, dtype=torch.int64)
        ended.scatter_(1, after.clamp(max=length), 1)
        sounding = ended[:, :-1].cumsum(1).clamp(max=most - 1)
        noise = torch.rand(count, length, self.width, generator=generator).mul_(2).sub_(1)
        signal = _sounds(self.alphabet)[symbol.gather(1, sounding)].add_(noise, alpha=self.noise)
        real, asked = lengths.mask(steps, length), lengths.mask(symbols + 1, most + 1)
        signal *= real[..., None]
        return Batch(signal, self._closed(symbol, symbols), real, asked)

    def chance(self, length: int) -> float:
        ends = torch.zeros(length + 1, dtype=torch.float64)  # where the last symbol ended
        ends[0] = 1
        more = [1.0]
        for _ in range(length // self.fastest):
            before = torch.nn.functional.pad(ends, (self.slowest, 0)).unfold(0, self.slowest + 1, 1)
            ends = before[:, : self.slowest - self.fastest + 1].mean(1)
            more.append(float(ends.sum()))
        more.append(0.0)
        guessed = (max(b / self.alphabet, a - b) for a, b in pairwise(more))
        return sum(guessed) / sum(more)

    def oracle(self, length: int, source: Tensor, source_mask: Tensor | None) -> Tensor:
        """Tell every frame by its signs, and write down where another symbol begins."""
        decoded = ((source > 0) << torch.arange(self.width)).sum(2)
        begins = decoded.diff(dim=1, prepend=torch.full_like(decoded[:, :1], -1)) != 0
        if source_mask is not None:
            begins &= source_mask
        count, most = begins.cumsum(1), self.signature(length).target_steps - 1
        symbol = torch.zeros(len(source), most + 1, dtype=torch.int64)
        symbol.scatter_(1, torch.where(begins, count - 1, most), decoded)
        return self._closed(symbol[:, :-1], count[:, -1])

    def extra_metrics(self, length: int, answers: Tensor, batch: Batch) -> dict[str, float]:
        return {
            "character_error_rate": text_metrics.character_error_rate(self.alphabet, answers, batch)
        }

    def _symbols(self, most: int, count: int, generator: torch.Generator) -> Tensor:
        """`(B, most)` symbols, each another than the one before."""
        first = torch.randint(self.alphabet, (count, 1), generator=generator)
        others = torch.randint(1, self.alphabet, (count, most - 1), generator=generator)
        return torch.cat([first, others], dim=1).cumsum(1) % self.alphabet

    def _closed(self, symbol: Tensor, symbols: Tensor) -> Tensor:
        """`(B, U)`: the first `symbols` `(B,)` of each row, an end, and zeros."""
        target = torch.nn.functional.pad(symbol, (0, 1))
        target *= lengths.mask(symbols, target.shape[1])
        return target.scatter_(1, symbols[:, None], self.alphabet)


@cache
def _sounds(alphabet: int) -> Tensor:
    """`(alphabet, width)`: the signs of every symbol."""
    symbols = torch.arange(alphabet)[:, None]
    return ((symbols >> torch.arange((alphabet - 1).bit_length())) & 1).mul(2).sub(1).float()


register("transcription", Transcription())
