"""Pieces of music: the chord that they begin with, and the highest voice from there on."""

import torch

from lagbench.contract import Alignment, Batch, DisplayNames, Reals, Signature, Split, Tokens
from lagbench.material.real.examples import Examples, entropy, masked
from lagbench.material.real.length_range import Band, padded
from lagbench.material.real.source import Found
from lagbench.material.real.splits import parted

PITCHES = 128
_REST, _UNKNOWN = -1, -2


def melodies(found: Found, length: int, band: Band) -> Examples:
    """Pieces of one step more than the length: a chord, and the notes that follow it.

    The notes are those of training, with silence among them, and one for all others.
    """
    rows = {split: [(piece,) for (piece,) in part] for split, part in parted(found).items()}
    kept, counts = band.within(found.place, rows)
    heard = {_highest(chord) for (piece,) in rows[Split.TRAIN] for chord in piece}
    notes = [_UNKNOWN, *sorted(heard)]
    numbers = {note: number for number, note in enumerate(notes)}
    splits = {}
    for split, part in kept.items():
        source = torch.zeros(len(part), 1, PITCHES)
        for row, (piece,) in enumerate(part):
            source[row, 0, list(piece[0])] = 1
        played = [[numbers.get(_highest(chord), 0) for chord in piece[1:]] for (piece,) in part]
        target, mask = padded(played, length)
        splits[split] = Batch(source, target, None, mask)
    splits, padding = masked(splits)
    signature = Signature(
        Reals(PITCHES), Tokens(len(notes)), Alignment.FREE, 1, target_steps=length, padded=padding
    )
    train = splits[Split.TRAIN]
    chance = entropy(train.target if train.target_mask is None else train.target[train.target_mask])
    reading = DisplayNames(
        [str(pitch) for pitch in range(PITCHES)], [_name(note) for note in notes]
    )
    return Examples(signature, splits, chance, reading, counts)


def _highest(chord: tuple[int, ...]) -> int:
    return max(chord, default=_REST)


def _name(note: int) -> str:
    return {_REST: "rest", _UNKNOWN: "other"}.get(note, str(note))
