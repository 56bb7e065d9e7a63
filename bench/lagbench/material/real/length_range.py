"""Which lengths are taken of real sequences, and how they become tensors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from lagbench.contract import Split, UserError
from lagbench.material import lengths

Longer = Literal["cut", "drop"]
Row = tuple[Sequence[Any], ...]  # sequences that belong together
Kept = tuple[dict[Split, list[Row]], dict[str, int]]


@dataclass(frozen=True)
class Band:
    """Lengths from `least` to `most`; what is longer is cut off there, or left out."""

    least: int
    most: int
    longer: Longer

    def within(self, place: str, rows: Mapping[Split, Sequence[Row]]) -> Kept:
        """The rows whose first sequence is not too short, and none too long.

        Returns them by split, and how many were left out or cut, of all splits together.
        Raises `UserError` where a split has none left.
        """
        counts = {"left out as shorter": 0, "left out as longer": 0, "cut": 0}
        kept: dict[Split, list[Row]] = {split: [] for split in rows}
        for split, part in rows.items():
            for row in part:
                longer = max(map(len, row)) > self.most
                if len(row[0]) < self.least:
                    counts["left out as shorter"] += 1
                elif longer and self.longer == "drop":
                    counts["left out as longer"] += 1
                else:
                    counts["cut"] += longer
                    kept[split].append(tuple(sequence[: self.most] for sequence in row))
            if not kept[split]:
                raise UserError(f"{place} has no {split} example of {self} steps.")
        return kept, counts

    def __str__(self) -> str:
        return f"at least {self.least}" if self.longer == "cut" else f"{self.least} to {self.most}"


def padded(sequences: Sequence[Sequence[Any]], steps: int) -> tuple[Tensor, Tensor]:
    """Sequences of numbers as `(N, steps)`, zeros after their ends, and the mask `(N, steps)`."""
    mask = lengths.mask(torch.tensor([len(sequence) for sequence in sequences]), steps)
    flat = torch.tensor([number for sequence in sequences for number in sequence])
    return torch.zeros(mask.shape, dtype=flat.dtype).masked_scatter(mask, flat), mask
