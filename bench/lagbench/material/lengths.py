"""Lengths of examples: limits, draws, masks, padding, and the range of real sequences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from lagbench.contract import Split, UserError

Longer = Literal["cut", "drop"]
Row = tuple[Sequence[Any], ...]  # sequences that belong together
Kept = tuple[dict[Split, list[Row]], dict[str, int]]


def require(task: str, length: int, at_least: int) -> None:
    """Raise `UserError` if a length is below a task's minimum."""
    if length < at_least:
        raise UserError(f"{task} needs a length of at least {at_least}, not {length}.")


def require_share(task: str, shortest: float) -> None:
    """Raise `UserError` if `shortest`, a share of the longest, is not from 0 to 1."""
    if not 0 <= shortest <= 1:
        raise UserError(f"{task} needs a share from 0 to 1 as shortest, not {shortest}.")


def minimum(longest: int, shortest: float) -> int:
    """Return the fewest steps of an example: the share `shortest` of `longest`, at least 1."""
    return max(1, round(longest * shortest))


def draw(longest: int, shortest: float, count: int, generator: torch.Generator) -> Tensor:
    """Draw numbers of steps `(B,)`, uniform over `minimum(longest, shortest) … longest`."""
    return torch.randint(minimum(longest, shortest), longest + 1, (count,), generator=generator)


def mask(steps: Tensor, longest: int) -> Tensor:
    """Return `(B, longest)` bool, true on the first `steps` `(B,)` positions of each row."""
    return torch.arange(longest) < steps[:, None]


def real_steps(source: Tensor, source_mask: Tensor | None) -> Tensor:
    """Return the numbers of real steps `(B,)` of a source `(B, T, …)`; without a mask, all."""
    if source_mask is None:
        return torch.full(source.shape[:1], source.shape[1])
    return source_mask.sum(1)


@dataclass(frozen=True)
class LengthRange:
    """Accepted lengths, `minimum` to `maximum`; longer sequences are cut or dropped."""

    minimum: int
    maximum: int
    longer: Longer

    def select(self, source: str, rows: Mapping[Split, Sequence[Row]]) -> Kept:
        """Select the rows whose first sequence is not too short, and none of which is too long.

        Returns them by split, and how many rows of all splits were left out or cut.
        Raises `UserError` if a split has none left.
        """
        counts = {"left out as shorter": 0, "left out as longer": 0, "cut": 0}
        kept: dict[Split, list[Row]] = {split: [] for split in rows}
        for split, part in rows.items():
            for row in part:
                too_long = max(map(len, row)) > self.maximum
                if len(row[0]) < self.minimum:
                    counts["left out as shorter"] += 1
                elif too_long and self.longer == "drop":
                    counts["left out as longer"] += 1
                else:
                    counts["cut"] += too_long
                    kept[split].append(tuple(sequence[: self.maximum] for sequence in row))
            if not kept[split]:
                raise UserError(f"{source} has no {split} example of {self} steps.")
        return kept, counts

    def __str__(self) -> str:
        return (
            f"at least {self.minimum}"
            if self.longer == "cut"
            else f"{self.minimum} to {self.maximum}"
        )


def pad(sequences: Sequence[Sequence[Any]], steps: int) -> tuple[Tensor, Tensor]:
    """Pad sequences of numbers with zeros to `(N, steps)`; return them and their mask."""
    real = mask(torch.tensor([len(sequence) for sequence in sequences]), steps)
    flat = torch.tensor([number for sequence in sequences for number in sequence])
    return torch.zeros(real.shape, dtype=flat.dtype).masked_scatter(real, flat), real
