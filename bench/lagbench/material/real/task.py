"""The base class of tasks with synthetic data that can also read real data."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any, ClassVar

import torch
from torch import Tensor

from lagbench.contract import Batch, DisplayNames, Signature, Split, Task, UserError
from lagbench.material.real.examples import Examples
from lagbench.material.real.loading import Columns, LoadedDataset, read_dataset


@dataclass(frozen=True, kw_only=True)
class RealOrSyntheticTask(Task):
    """A task with synthetic data, or with real data if `source` is set.

    A subclass defines synthetic data by the `synthetic_…` methods, which correspond to those of
    `Task`, and real data by `columns` and `build_examples`. The best score on real data is unknown:
    their optimum, an accuracy of 1 or 0 bits, is a bound. Their chance level is that of the
    training split. They have no lags.

    Attributes:
        source: a file or a folder (text, CSV, JSON lines, Parquet), or a name on the Hugging Face
            Hub; empty: synthetic data.
        subset: of a data set on the Hub that has several.
    """

    synthetic_only: ClassVar[frozenset[str]] = frozenset()  # fields without effect on real data
    real_only: ClassVar[frozenset[str]] = frozenset({"subset"})  # and on synthetic data

    source: str = ""
    subset: str = ""

    def __post_init__(self) -> None:
        unused = self.synthetic_only if self.source else self.real_only
        for field in fields(self):
            if field.name in unused and getattr(self, field.name) != field.default:
                given = "with" if self.source else "without"
                raise UserError(f"The field {field.name!r} means nothing {given} a source.")

    @property
    @abstractmethod
    def columns(self) -> Columns:
        """The columns of real data and their checks; models read the first."""

    @abstractmethod
    def build_examples(self, dataset: LoadedDataset, length: int) -> Examples:
        """Build all real examples at a length; raise `UserError` if there are none."""

    @abstractmethod
    def synthetic_signature(self, length: int) -> Signature:
        """Return `signature` of synthetic data."""

    @abstractmethod
    def synthetic_sample(
        self, length: int, count: int, generator: torch.Generator, split: Split
    ) -> Batch:
        """Draw synthetic examples, as by `sample`."""

    @abstractmethod
    def synthetic_chance(self, length: int) -> float:
        """Return `chance` of synthetic data."""

    @abstractmethod
    def synthetic_oracle(self, length: int, source: Tensor, source_mask: Tensor | None) -> Tensor:
        """Answer as by `oracle` on synthetic data."""

    @abstractmethod
    def synthetic_display_names(self) -> DisplayNames:
        """Return `display_names` of synthetic data."""

    def synthetic_optimum(self, length: int) -> float:
        """Return `optimum` of synthetic data."""
        return Task.optimum(self, length)

    def synthetic_num_examples(self, split: Split) -> int | None:
        """Return `num_examples` of synthetic data."""
        return None

    def signature(self, length: int) -> Signature:
        if self.source:
            return _examples(self, length).signature
        return self.synthetic_signature(length)

    def sample(self, length: int, count: int, generator: torch.Generator, split: Split) -> Batch:
        if self.source:
            return _examples(self, length).sample(count, generator, split)
        return self.synthetic_sample(length, count, generator, split)

    def chance(self, length: int) -> float:
        return _examples(self, length).chance if self.source else self.synthetic_chance(length)

    def optimum(self, length: int) -> float:
        return Task.optimum(self, length) if self.source else self.synthetic_optimum(length)

    def num_examples(self, length: int, split: Split) -> int | None:
        if self.source:
            return _examples(self, length).count(split)
        return self.synthetic_num_examples(split)

    def oracle(self, length: int, source: Tensor, source_mask: Tensor | None) -> Tensor:
        """Look real examples up: the most frequent answer, or the logarithms of its shares."""
        if not self.source:
            return self.synthetic_oracle(length, source, source_mask)
        counts = _examples(self, length).answers(source, source_mask)
        if self.metric.log_probabilities:
            known = counts + ~counts.any(2, keepdim=True)  # on padding, all tokens are alike
            return (known / known.sum(2, keepdim=True)).log()
        return counts.argmax(2)

    def fingerprint(self) -> str:
        if self.source:
            return read_dataset(self.source, self.subset, self.columns).digest
        return ""

    def display_names(self, length: int) -> DisplayNames:
        return _examples(self, length).names if self.source else self.synthetic_display_names()

    def data_summary(self, length: int) -> Mapping[str, Any]:
        return _examples(self, length).summary() if self.source else {}


@lru_cache(maxsize=8)
def _examples(task: RealOrSyntheticTask, length: int) -> Examples:
    """Build all examples once per process; raise `UserError` if every answer is the same."""
    if length < 1:
        raise UserError(f"Real data need a length of at least 1, not {length}.")
    dataset = read_dataset(task.source, task.subset, task.columns)
    examples = task.build_examples(dataset, length)
    if examples.chance == task.optimum(length):
        raise UserError(
            f"{task.source} leaves nothing to tell: all answers in training are the same."
        )
    return examples
