"""Export of fixed splits: Parquet files with a dataset card, locally or on the Hub."""

from collections.abc import Mapping
from inspect import cleandoc
from pathlib import Path
from typing import Any

from lagbench import __version__
from lagbench.contract import Batch, Split, Task, UserError
from lagbench.data.overview import overview
from lagbench.data.splits import fixed_split
from lagbench.data.streams import tensors, to_float32
from lagbench.registry import Named

FILE = "data/{split}-00000-of-00001.parquet"  # as the Hub names them

_CARD = """
# {title}

{documentation}

## This data set

The fixed validation and test examples of the LagBench task `{name}` at length {length}, as a model
sees them: numbers of symbols, or values. Training examples are drawn anew for every seed.

{facts}

- `source`: what is read; `target`: what is asked for.
- `source_mask`: false on padding; `target_mask`: true where the target is asked for; without them,
  nothing is padded and everything is asked for.
- `lag`: how many steps before the answer the source step lies that decides it; -1: no single one.

Made by LagBench {version} with `lagbench data {name} --length {length} --export DIR`.
"""


def splits(named: Named[Task], length: int, counts: Mapping[Split, int]) -> dict[Split, Batch]:
    """Return the fixed examples of splits: `counts`, or as many as the task has."""
    return {split: fixed_split(named, length, split, count) for split, count in counts.items()}


def export(named: Named[Task], length: int, fixed: Mapping[Split, Batch], folder: Path) -> None:
    """Write splits and their card into a new folder; raise `UserError` if it has files."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder} is there already, and is not an empty folder.")
    for split, dataset in _datasets(fixed).items():
        path = folder / FILE.format(split=split)
        path.parent.mkdir(parents=True, exist_ok=True)
        dataset.to_parquet(str(path))
    (folder / "README.md").write_text(card(named, length, fixed), encoding="utf-8")


def push(named: Named[Task], length: int, fixed: Mapping[Split, Batch], name: str) -> str:
    """Push splits and their card to the Hugging Face Hub; return the data set's address.

    Raises `UserError` if the Hub cannot be reached or rejects them.
    """
    from datasets import DatasetDict
    from huggingface_hub import DatasetCard

    try:
        DatasetDict(_datasets(fixed)).push_to_hub(name)
        DatasetCard(card(named, length, fixed)).push_to_hub(name, repo_type="dataset")
    except (OSError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0].removesuffix(".")
        raise UserError(
            f"The data could not be pushed to the Hub as {name!r}: {reason}."
        ) from error
    return f"https://huggingface.co/datasets/{name}"


def card(named: Named[Task], length: int, fixed: Mapping[Split, Batch]) -> str:
    """Return a dataset card: metadata for the Hub, and documentation."""
    from huggingface_hub import DatasetCardData

    title = f"{named.preset} at length {length}"
    files = [{"split": split.value, "path": f"data/{split}-*"} for split in fixed]
    data = DatasetCardData(
        pretty_name=f"LagBench: {title}",
        tags=["lagbench", "sequence-modelling", "long-range-dependencies"],
        configs=[{"config_name": "default", "data_files": files}],
    )
    here = {f"{split} examples here": len(batch.source) for split, batch in fixed.items()}
    facts = {**overview(named, length), **here}
    text = _CARD.format(
        title=title,
        documentation=cleandoc(type(named.value).__doc__ or ""),
        name=named.name,
        length=length,
        facts=_table({**named.fields, **facts}),
        version=__version__,
    )
    return f"---\n{data.to_yaml()}\n---\n{text}"


def _table(facts: Mapping[str, Any]) -> str:
    rows = (
        f"| {name} | {str(value).replace('|', chr(92) + '|')} |" for name, value in facts.items()
    )
    return "\n".join(["| | |", "|---|---|", *rows])


def _datasets(fixed: Mapping[Split, Batch]) -> dict[str, Any]:
    from datasets import Dataset, disable_progress_bars

    disable_progress_bars()
    return {  # in single precision: not every program that reads Parquet knows half
        split.value: Dataset.from_dict(
            {name: list(to_float32(value).numpy()) for name, value in tensors(batch).items()}
        )
        for split, batch in fixed.items()
    }
