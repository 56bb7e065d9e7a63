"""What a column of real data must hold: it is given back as plain values, or refused.

Each check takes where the column stands, for the sentence, and its values.
"""

from collections.abc import Sequence
from math import isfinite
from typing import Any

from lagbench.contract import UserError


def texts(where: str, values: Sequence[Any]) -> list[str]:
    """Texts, none missing."""
    for row, value in enumerate(_present(where, values)):
        if not isinstance(value, str):
            raise UserError(f"{where} holds {_kind(value)} in row {row}, not text.")
    return list(values)


def labels(where: str, values: Sequence[Any]) -> list[int] | list[str]:
    """Classes: all texts or all whole numbers."""
    kinds = {type(value) for value in _present(where, values)}
    if not (kinds <= {int, bool} or kinds <= {str}):
        other = sorted(_kind(value) for value in values if not isinstance(value, int))[0]
        raise UserError(f"{where} holds {other}: classes are texts or whole numbers.")
    return list(values)


def signals(where: str, values: Sequence[Any]) -> list[list[float]]:
    """Lists of finite numbers."""
    for row, value in enumerate(_present(where, values)):
        for number in _list(where, row, value):
            if not isinstance(number, int | float) or not isfinite(number):
                raise UserError(f"{where} holds {number!r} in row {row}, not a finite number.")
    return [list(map(float, value)) for value in values]


def chords(where: str, values: Sequence[Any]) -> list[list[tuple[int, ...]]]:
    """Pieces: lists of steps, each a pitch or a list of the pitches that sound together."""
    return [
        [_chord(where, row, step) for step in _list(where, row, piece)]
        for row, piece in enumerate(_present(where, values))
    ]


def _chord(where: str, row: int, step: Any) -> tuple[int, ...]:
    pitches = step if isinstance(step, list) else [step]
    for pitch in pitches:
        if not isinstance(pitch, int) or not 0 <= pitch < 128:
            raise UserError(
                f"{where} holds {pitch!r} in row {row}: pitches are whole numbers from 0 to 127."
            )
    return tuple(sorted(pitches))


def _present(where: str, values: Sequence[Any]) -> Sequence[Any]:
    if None in values:
        raise UserError(f"{where} has nothing in row {values.index(None)}.")
    return values


def _list(where: str, row: int, value: Any) -> list[Any]:
    if isinstance(value, str):
        raise UserError(
            f"{where} holds text, not lists: a CSV cannot hold lists, so keep them as Parquet or "
            f"JSON lines."
        )
    if not isinstance(value, list):
        raise UserError(f"{where} holds {_kind(value)} in row {row}, not a list.")
    return value


def _kind(value: Any) -> str:
    """What a value is, for a person."""
    names = {bool: "true or false", int: "a whole number", float: "a fraction", list: "a list"}
    return names.get(type(value), "text" if isinstance(value, str) else type(value).__name__)
