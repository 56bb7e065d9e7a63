"""Parting what has no splits of its own: always in the same way."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any, TypeVar

from lagbench.contract import Split, UserError
from lagbench.material.real.source import Found

SHARES = {Split.TRAIN: 14, Split.VALIDATION: 3, Split.TEST: 3}  # of twenty
Part = TypeVar("Part", bound=Sequence[Any])


def parted(found: Found) -> dict[Split, list[tuple[Any, ...]]]:
    """The rows of all three splits: those that are there, and the others taken from training.

    A hash of a row's first value, which is what models read, says where it goes. So neither the
    order of the rows nor their number matters, and what is read alike goes into one split.
    Raises `UserError` where a split is empty.
    """
    missing = [split for split in Split if split not in found.rows]
    digests = [_digest(row[0]) for row in found.rows[Split.TRAIN]]
    shares = portions(sorted(set(digests)), [Split.TRAIN, *missing])
    home = {digest: split for split, share in shares.items() for digest in share}
    rows: dict[Split, list[tuple[Any, ...]]] = {
        split: list(found.rows[split]) if split in found.rows else [] for split in Split
    }
    rows[Split.TRAIN] = []
    for row, digest in zip(found.rows[Split.TRAIN], digests, strict=True):
        rows[home[digest]].append(row)
    for split, part in rows.items():
        if not part:
            few = f" {len(home)} different rows are too few to part." if missing else ""
            raise UserError(f"The {split} split of {found.place} is empty.{few}")
    return rows


def portions(whole: Part, splits: Sequence[Split]) -> dict[Split, Part]:
    """The whole in consecutive parts, by the shares of the splits."""
    total = sum(SHARES[split] for split in splits)
    ends = [sum(SHARES[split] for split in splits[:n]) for n in range(len(splits) + 1)]
    cuts = [end * len(whole) // total for end in ends]
    return {
        split: whole[start:end]  # type: ignore[misc]
        for split, start, end in zip(splits, cuts[:-1], cuts[1:], strict=True)
    }


def _digest(value: Any) -> bytes:
    return hashlib.sha256(b"lagbench" + json.dumps(value).encode()).digest()
