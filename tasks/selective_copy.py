"""`selective_copy`: say the symbols among blanks; `selective_copy_memory`: in step, at the end."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from lagbench import Alignment, Batch, Signature, Split, Task, Tokens, UserError, register
from lagbench.material import lengths
from lagbench.material.sampling import stable_order


@dataclass(frozen=True)
class SelectiveCopy(Task):
    """Repeat the symbols that stand among blanks, in their order.

    Data:
        8 3 8 8 1 4 8 8  ->  3 1 4
        With `symbols=3`; the blank is 8.
    Length: steps; at least `symbols`.
    Lag: `T + u - p` for target step `u`, whose symbol is at step `p`; all sets of steps are equally
        likely.
    Chance: `1 / alphabet`.
    Source: Gu and Dao (2023), Mamba: Linear-Time Sequence Modeling with Selective State Spaces
        (arXiv:2312.00752), section 3.1, as sequence to sequence. Its own form, and that of MAD, is
        `selective_copy_memory`.

    Attributes:
        symbols: the number of symbols to repeat; at least 1.
        alphabet: the number of different symbols; at least 2.
    """

    symbols: int = 8
    alphabet: int = 8

    def __post_init__(self) -> None:
        _require_symbols("selective_copy", self.symbols, self.alphabet)

    def signature(self, length: int) -> Signature:
        lengths.require("selective_copy", length, self.symbols)
        return Signature(
            Tokens(self.alphabet + 1), Tokens(self.alphabet), Alignment.FREE, length, self.symbols
        )

    def sample(self, length: int, count: int, generator: torch.Generator, split: Split) -> Batch:
        self.signature(length)
        target = torch.randint(self.alphabet, (count, self.symbols), generator=generator)
        places = _anywhere(length, self.symbols, count, generator)
        source = torch.full((count, length), self.alphabet).scatter_(1, places, target)
        return Batch(source, target, lag=length + torch.arange(self.symbols) - places)

    def chance(self, length: int) -> float:
        return 1 / self.alphabet

    def oracle(self, length: int, source: Tensor, source_mask: Tensor | None) -> Tensor:
        """Leave the blanks out."""
        return _symbols(source, self.symbols, self.alphabet)


@dataclass(frozen=True)
class SelectiveCopyMemory(Task):
    """Repeat the symbols that stood among blanks, step by step after a marker.

    Data:
        14 3 14 14 14 1 14 4 15 14 14 14  ->  _ _ _ _ _ _ _ _ _ 3 1 4
        With `symbols=3`: blank 14, marker 15; `_` is not scored.
    Length: steps; at least `2 symbols + 1` (`2 symbols` with `marker=held`).
    Lag: to the symbol.
    Chance: `1 / alphabet`.
    Source: the default is exactly the selective copying of MAD, Poli et al. (2024), Mechanistic
        Design and Scaling of Hybrid Architectures (arXiv:2403.17844), at length 256: a vocabulary
        of 16 with blank and marker, 16 symbols, any number of blanks before each, none after the
        last. With `placing=uniform,marker=held`, at length 4096 + 32, it is that of Gu and Dao
        (2023), Mamba (arXiv:2312.00752), except for the numbers of blank and symbols.

    Attributes:
        symbols: the number of symbols to repeat; at least 1.
        alphabet: the number of different symbols; at least 2.
        placing: "gaps": every blank is put before a symbol drawn for it; "uniform": all sets of
            steps for the symbols are equally likely.
        marker: "held": on while the answer is due; "once": for one step, followed by blanks.
    """

    lengths: ClassVar[tuple[int, ...]] = (64, 128, 256, 512)

    symbols: int = 16
    alphabet: int = 14
    placing: Literal["gaps", "uniform"] = "gaps"
    marker: Literal["once", "held"] = "once"

    def __post_init__(self) -> None:
        _require_symbols("selective_copy_memory", self.symbols, self.alphabet)

    @property
    def _tail(self) -> int:
        """How many steps at the end hold no symbol."""
        return self.symbols + (self.marker == "once")

    def signature(self, length: int) -> Signature:
        lengths.require("selective_copy_memory", length, self.symbols + self._tail)
        return Signature(
            Tokens(self.alphabet + 2),
            Tokens(self.alphabet),
            Alignment.ALIGNED,
            length,
            length,
            causal=True,
        )

    def sample(self, length: int, count: int, generator: torch.Generator, split: Split) -> Batch:
        self.signature(length)
        draw = _in_gaps if self.placing == "gaps" else _anywhere
        places = draw(length - self._tail, self.symbols, count, generator)
        symbols = torch.randint(self.alphabet, (count, self.symbols), generator=generator)
        source = torch.full((count, length), self.alphabet).scatter_(1, places, symbols)
        sounding = length - self._tail
        source[:, sounding : length if self.marker == "held" else sounding + 1] = self.alphabet + 1
        target, lag = torch.zeros(count, length, dtype=torch.int64), torch.full_like(source, -1)
        target[:, -self.symbols :] = symbols
        lag[:, -self.symbols :] = torch.arange(length - self.symbols, length) - places
        asked = (torch.arange(length) >= length - self.symbols).expand(count, -1)
        return Batch(source, target, target_mask=asked, lag=lag)

    def chance(self, length: int) -> float:
        return 1 / self.alphabet

    def oracle(self, length: int, source: Tensor, source_mask: Tensor | None) -> Tensor:
        """Leave out the blanks before the marker."""
        answer = torch.zeros_like(source)
        context = source[:, : length - self._tail]
        answer[:, -self.symbols :] = _symbols(context, self.symbols, self.alphabet)
        return answer


def _require_symbols(task: str, symbols: int, alphabet: int) -> None:
    if symbols < 1 or alphabet < 2:
        raise UserError(f"{task} needs at least 1 symbol, and 2 different ones.")


def _anywhere(steps: int, symbols: int, count: int, generator: torch.Generator) -> Tensor:
    """`(B, symbols)` rising steps, every choice of them as likely."""
    order = torch.rand(count, steps, generator=generator)
    return order.topk(symbols, sorted=False).indices.sort(dim=1).values


def _in_gaps(steps: int, symbols: int, count: int, generator: torch.Generator) -> Tensor:
    """`(B, symbols)` rising steps, each of the others before a symbol drawn for it."""
    chosen = torch.randint(symbols, (count, steps - symbols), generator=generator)
    gaps = torch.ones(count, symbols, dtype=torch.int64)
    gaps.scatter_add_(1, chosen, torch.ones_like(chosen))
    return gaps.cumsum(1) - 1


def _symbols(context: Tensor, symbols: int, blank: int) -> Tensor:
    """`(B, symbols)`: what stands among the blanks of a context `(B, T)`."""
    places = stable_order(context == blank)[:, :symbols]
    return context.gather(1, places)


register("selective_copy", SelectiveCopy())
register("selective_copy_memory", SelectiveCopyMemory())
