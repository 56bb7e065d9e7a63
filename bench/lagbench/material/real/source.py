"""Reading real data: local files of several formats, or a data set of the Hub."""

import glob
import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from lagbench.contract import Split, UserError
from lagbench.registry import nearest

Check = Callable[[str, Sequence[Any]], list[Any]]
"""What a column must hold: see `lagbench.material.real.columns`."""
Columns = tuple[tuple[str, Check], ...]


@dataclass(frozen=True, eq=False)
class Found:
    """What was read of a source: the rows of each split that is there, a value a column."""

    place: str
    rows: Mapping[Split, list[tuple[Any, ...]]]
    digest: str  # of the rows


# How each format is read: the name that `datasets` has for it, and what it is told. A text is one
# row, since lines are no examples. In a table an empty cell is missing, and "None" is a text.
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


@lru_cache(maxsize=4)
def find(place: str, subset: str, columns: Columns) -> Found:
    """The values of some columns in every split that is there, read once a process.

    place: a file, a folder, or a name on the Hub. Files whose names begin with `train`,
    `validation` (`valid`, `val`, `dev`) or `test` are these splits; without such names, all
    is for training, to be parted. subset: of a data set on the Hub that has several, or "".
    Columns of records within records are named `outer.inner`.
    Raises `UserError` where there is nothing to read, or it cannot be read, or has no such column.
    """
    parts = _read(place, subset)
    rows = {split: _rows(place, parts[split], columns) for split in Split if split in parts}
    content = json.dumps(rows, sort_keys=True).encode()
    return Found(place, rows, hashlib.sha256(content).hexdigest()[:16])


def _read(place: str, subset: str) -> Mapping[Split, Any]:
    path = Path(place).expanduser()
    if not path.exists():
        return _of_the_hub(place, subset)
    if subset:
        raise UserError(f"{place} is a local file or folder, which has no subset {subset!r}.")
    files = _files(path)
    kinds = sorted({file.suffix for file in files})
    if len(kinds) > 1:
        raise UserError(f"{place} has files of several formats ({', '.join(kinds)}): keep one.")
    reader, options = _READERS[kinds[0]]
    return _by_split(place, _loaded(place, reader, data_files=_grouped(path, files), **options))


def _files(path: Path) -> list[Path]:
    """The file, or all files of a folder, that can be read; hidden ones are left out."""
    found = sorted(path.rglob("*")) if path.is_dir() else [path]
    known = [file for file in found if file.suffix in _READERS and not file.name.startswith(".")]
    if not known:
        raise UserError(f"{path} has no data that can be read: no {', '.join(_READERS)} file.")
    return known


def _grouped(path: Path, files: Sequence[Path]) -> dict[str, list[str]]:
    """The files by the split that their names say, as `datasets` takes them."""
    splits = [_split(file.stem) if path.is_dir() else None for file in files]
    if None in splits and any(splits):
        other = files[splits.index(None)].name
        raise UserError(f"{path} has files of splits, and others: {other} belongs to none.")
    grouped: dict[str, list[str]] = {}
    for file, split in zip(files, splits, strict=True):
        grouped.setdefault(split or Split.TRAIN, []).append(glob.escape(str(file)))
    return grouped


def _split(name: str) -> Split | None:
    """The split that a file's name, or a split's own, begins with: `test-00000-of-00001`."""
    return _SPLITS.get(name.replace("_", "-").replace(".", "-").partition("-")[0].lower())


def _of_the_hub(place: str, subset: str) -> Mapping[Split, Any]:
    path_like = place[0] in "/.~" or place.count("/") > 1 or Path(place).suffix in _READERS
    if path_like:
        raise UserError(f"There is no file or folder {place}.")
    return _by_split(place, _loaded(place, place, name=subset or None))


def _by_split(place: str, loaded: Mapping[str, Any]) -> Mapping[Split, Any]:
    found = {split: part for name, part in loaded.items() if (split := _split(name)) is not None}
    if Split.TRAIN not in found:
        raise UserError(f"{place} has no training split; there are: {', '.join(loaded)}.")
    return found


def _loaded(place: str, reader: str, **options: Any) -> Mapping[str, Any]:
    from datasets import load_dataset  # close to a second: not before it is needed

    with _in_one_sentence(place):
        loaded: Mapping[str, Any] = load_dataset(reader, **options)
        return loaded


def _rows(place: str, part: Any, columns: Columns) -> list[tuple[Any, ...]]:
    flat, values = part.flatten(), []
    for column, check in columns:
        if column not in flat.column_names:
            raise UserError(
                f"{place} has no column {column!r}; {nearest(column, flat.column_names)}"
            )
        with _in_one_sentence(place):
            plain = _named_classes(flat[column][:], flat.features[column])
        values.append(check(f"The column {column!r} of {place}", plain))
    return list(zip(*values, strict=True))


def _named_classes(values: list[Any], feature: Any) -> list[Any]:
    """Classes by the names that the data set has for them, if any; below 0 there is none."""
    names = getattr(feature, "names", None)
    if names is None:
        return values
    return [None if value is None or value < 0 else names[value] for value in values]


@contextmanager
def _in_one_sentence(place: str) -> Iterator[None]:
    """Let `datasets` fail with a sentence for a person, and say nothing else meanwhile."""
    from datasets import disable_progress_bars

    disable_progress_bars()
    loggers = [logging.getLogger(name) for name in ("datasets", "huggingface_hub")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    except Exception as error:  # of whatever kind: a file or the Hub is at fault
        raise UserError(_sentence(place, error)) from error
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _sentence(place: str, error: BaseException) -> str:
    causes = [error]
    while (cause := causes[-1].__cause__ or causes[-1].__context__) is not None:
        causes.append(cause)
    if any(isinstance(cause, UnicodeDecodeError) for cause in causes):
        return f"{place} is not UTF-8 text: save it in that encoding."
    if isinstance(error, ConnectionError):
        return (
            f"There is no file or folder {place}, and the Hub cannot be asked for a data set of "
            f"that name: {_first_line(error)}."
        )
    if "no data" in str(error) or "No columns" in str(causes[-1]):
        return f"{place} is empty."
    innermost = causes[1] if len(causes) > 1 and _wraps(error) else error
    return f"{place} cannot be read: {_first_line(innermost)}."


def _wraps(error: BaseException) -> bool:
    """Whether an error only says that there was another one."""
    return "An error occurred while generating" in str(error)


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].removesuffix(".")
