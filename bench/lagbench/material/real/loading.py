"""Load real data: from local files or the Hugging Face Hub, with checked columns and all splits."""

import glob
import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from math import isfinite
from pathlib import Path
from typing import Any, TypeVar

from lagbench.contract import Split, UserError
from lagbench.registry import nearest

Check = Callable[[str, Sequence[Any]], list[Any]]
"""Checks a column's values: takes a name for messages and the values, returns plain values."""
Columns = tuple[tuple[str, Check], ...]


@dataclass(frozen=True, eq=False)
class LoadedDataset:
    """The rows of each split that a source has, with a value per column."""

    source: str
    rows: Mapping[Split, list[tuple[Any, ...]]]
    digest: str  # of the rows


# The loader of `datasets` for each format, and its options. A text file is one row, since lines are
# not examples. In a table an empty cell is missing, and "None" is a text.
_CELLS = {"keep_default_na": False, "na_values": [""]}
_READERS: dict[str, tuple[str, Mapping[str, Any]]] = {
    ".txt": ("text", {"sample_by": "document"}),
    ".csv": ("csv", _CELLS),
    ".tsv": ("csv", {**_CELLS, "sep": "\t"}),
    ".json": ("json", {}),
    ".jsonl": ("json", {}),
    ".parquet": ("parquet", {}),
}
_SPLITS = {
    "train": Split.TRAIN,
    "validation": Split.VALIDATION,
    "valid": Split.VALIDATION,
    "val": Split.VALIDATION,
    "dev": Split.VALIDATION,
    "test": Split.TEST,
}


SHARES = {Split.TRAIN: 14, Split.VALIDATION: 3, Split.TEST: 3}  # of twenty
Part = TypeVar("Part", bound=Sequence[Any])


@lru_cache(maxsize=4)
def read_dataset(source: str, subset: str, columns: Columns) -> LoadedDataset:
    """Load some columns of every split that a source has; cached for the process.

    source: a file, a folder, or a name on the Hub. Files whose names begin with `train`,
        `validation` (`valid`, `val`, `dev`) or `test` are these splits; without such names, all
        rows are training rows, which `complete_splits` divides.
    subset: of a data set on the Hub that has several, or "".
    columns: names and checks; columns of nested records are named `outer.inner`.
    Raises `UserError` if the source is missing, cannot be read, or lacks a column.
    """
    parts = _load_splits(source, subset)
    rows = {split: _rows(source, parts[split], columns) for split in Split if split in parts}
    content = json.dumps(rows, sort_keys=True).encode()
    return LoadedDataset(source, rows, hashlib.sha256(content).hexdigest()[:16])


def _load_splits(source: str, subset: str) -> Mapping[Split, Any]:
    path = Path(source).expanduser()
    if path.exists():
        if subset:
            raise UserError(f"{source} is a local file or folder, which has no subset {subset!r}.")
        loader, options = _local_loader(source, path)
    elif source[0] in "/.~" or source.count("/") > 1 or path.suffix in _READERS:
        raise UserError(f"There is no file or folder {source}.")
    else:
        loader, options = source, {"name": subset or None}
    from datasets import load_dataset  # close to a second: not before it is needed

    with _datasets_errors(source):
        loaded: Mapping[str, Any] = load_dataset(loader, **options)
    splits = {split: part for name, part in loaded.items() if (split := _split(name)) is not None}
    if Split.TRAIN not in splits:
        raise UserError(f"{source} has no training split; there are: {', '.join(loaded)}.")
    return splits


def _local_loader(source: str, path: Path) -> tuple[str, dict[str, Any]]:
    """Return the loader of `datasets` for a file or folder, and its options."""
    candidates = sorted(path.rglob("*")) if path.is_dir() else [path]
    files = [f for f in candidates if f.suffix in _READERS and not f.name.startswith(".")]
    if not files:
        raise UserError(f"{path} has no data that can be read: no {', '.join(_READERS)} file.")
    formats = sorted({file.suffix for file in files})
    if len(formats) > 1:
        raise UserError(f"{source} has files of several formats ({', '.join(formats)}): keep one.")
    splits = [_split(file.stem) if path.is_dir() else None for file in files]
    if None in splits and any(splits):
        other = files[splits.index(None)].name
        raise UserError(f"{path} has files of splits, and others: {other} belongs to none.")
    data_files: dict[str, list[str]] = {}
    for file, split in zip(files, splits, strict=True):
        data_files.setdefault(split or Split.TRAIN, []).append(glob.escape(str(file)))
    loader, options = _READERS[formats[0]]
    return loader, {"data_files": data_files, **options}


def _split(name: str) -> Split | None:
    """Return the split that a file name or split name begins with, as `test-00000-of-00001`."""
    return _SPLITS.get(name.replace("_", "-").replace(".", "-").partition("-")[0].lower())


def _rows(source: str, part: Any, columns: Columns) -> list[tuple[Any, ...]]:
    flat, values = part.flatten(), []
    for column, check in columns:
        if column not in flat.column_names:
            raise UserError(
                f"{source} has no column {column!r}; {nearest(column, flat.column_names)}"
            )
        with _datasets_errors(source):
            plain = _named_classes(flat[column][:], flat.features[column])
        values.append(check(f"The column {column!r} of {source}", plain))
    return list(zip(*values, strict=True))


def _named_classes(values: list[Any], feature: Any) -> list[Any]:
    """Replace class numbers by the data set's class names, if any; below 0 means no class."""
    names = getattr(feature, "names", None)
    if names is None:
        return values
    return [None if value is None or value < 0 else names[value] for value in values]


@contextmanager
def _datasets_errors(source: str) -> Iterator[None]:
    """Silence `datasets`, and raise its errors as a `UserError` of one sentence."""
    from datasets import disable_progress_bars

    disable_progress_bars()
    loggers = [logging.getLogger(name) for name in ("datasets", "huggingface_hub")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    except Exception as error:  # of whatever kind: a file or the Hub is at fault
        raise UserError(_sentence(source, error)) from error
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _sentence(source: str, error: BaseException) -> str:
    causes = [error]
    while (cause := causes[-1].__cause__ or causes[-1].__context__) is not None:
        causes.append(cause)
    if any(isinstance(cause, UnicodeDecodeError) for cause in causes):
        return f"{source} is not UTF-8 text: save it in that encoding."
    wraps = "An error occurred while generating" in str(error)  # and its cause says which
    innermost = causes[1] if len(causes) > 1 and wraps else error
    reason = (str(innermost).strip().splitlines() or [type(innermost).__name__])[0]
    if isinstance(error, ConnectionError):
        return (
            f"There is no file or folder {source}, and the Hub cannot be asked for a data set of "
            f"that name: {reason.removesuffix('.')}."
        )
    if "no data" in str(error) or "No columns" in str(causes[-1]):
        return f"{source} is empty."
    return f"{source} cannot be read: {reason.removesuffix('.')}."


def complete_splits(dataset: LoadedDataset) -> dict[Split, list[tuple[Any, ...]]]:
    """Return the rows of all three splits, with missing splits taken from training.

    A hash of a row's first value, which models read, decides its split. So neither the order nor
    the number of rows matters, and rows with the same input are in the same split.
    Raises `UserError` if a split is empty.
    """
    missing = [split for split in Split if split not in dataset.rows]
    digests = [
        hashlib.sha256(b"lagbench" + json.dumps(row[0]).encode()).digest()
        for row in dataset.rows[Split.TRAIN]
    ]
    shares = portions(sorted(set(digests)), [Split.TRAIN, *missing])
    split_of = {digest: split for split, share in shares.items() for digest in share}
    rows: dict[Split, list[tuple[Any, ...]]] = {
        split: list(dataset.rows[split]) if split in dataset.rows else [] for split in Split
    }
    rows[Split.TRAIN] = []
    for row, digest in zip(dataset.rows[Split.TRAIN], digests, strict=True):
        rows[split_of[digest]].append(row)
    for split, part in rows.items():
        if not part:
            few = f" {len(split_of)} different rows are too few to part." if missing else ""
            raise UserError(f"The {split} split of {dataset.source} is empty.{few}")
    return rows


def portions(items: Part, splits: Sequence[Split]) -> dict[Split, Part]:
    """Divide a sequence into consecutive parts, by the shares of the splits."""
    total = sum(SHARES[split] for split in splits)
    ends = [sum(SHARES[split] for split in splits[:n]) for n in range(len(splits) + 1)]
    cuts = [end * len(items) // total for end in ends]
    return {
        split: items[start:end]  # type: ignore[misc]
        for split, start, end in zip(splits, cuts[:-1], cuts[1:], strict=True)
    }


def text_column(where: str, values: Sequence[Any]) -> list[str]:
    """Texts, none missing."""
    for row, value in enumerate(_present(where, values)):
        if not isinstance(value, str):
            raise UserError(f"{where} holds {_kind(value)} in row {row}, not text.")
    return list(values)


def label_column(where: str, values: Sequence[Any]) -> list[int] | list[str]:
    """Classes: all texts or all whole numbers."""
    kinds = {type(value) for value in _present(where, values)}
    if not (kinds <= {int, bool} or kinds <= {str}):
        other = sorted(_kind(value) for value in values if not isinstance(value, int))[0]
        raise UserError(f"{where} holds {other}: classes are texts or whole numbers.")
    return list(values)


def signal_column(where: str, values: Sequence[Any]) -> list[list[float]]:
    """Lists of finite numbers."""
    for row, value in enumerate(_present(where, values)):
        for number in _list(where, row, value):
            if not isinstance(number, int | float) or not isfinite(number):
                raise UserError(f"{where} holds {number!r} in row {row}, not a finite number.")
    return [list(map(float, value)) for value in values]


def chord_column(where: str, values: Sequence[Any]) -> list[list[tuple[int, ...]]]:
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
