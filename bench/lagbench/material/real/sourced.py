"""A task that makes its data up, or takes real ones where it is told a source."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any, ClassVar

import torch
from torch import Tensor

from lagbench.contract import Batch, DisplayNames, Signature, Split, Task, UserError
from lagbench.material.real.examples import Examples
from lagbench.material.real.source import Columns, Found, find


@dataclass(frozen=True, kw_only=True)
class Sourced(Task):
    """Where `source` is given, the examples are real, and all that is asked goes to them.

    A subclass says in `made_…` how its data are made up, and in `real` how real ones are read. What
    can be reached on real data is not known: their optimum, an accuracy of 1 or 0 bits, is an upper
    bound. Their chance level is that of the training split. They have no lags.

    Attributes:
        source: a file or a folder (text, CSV, JSON lines, Parquet), or a name on the Hugging Face
            Hub; empty: the data are made up.
        subset: of a data set on the Hub that has several.
    """

    only_made: ClassVar[frozenset[str]] = frozenset()  # fields that mean nothing to real data
    only_real: ClassVar[frozenset[str]] = frozenset({"subset"})  # and to data that are made up

    source: str = ""
    subset: str = ""

    def __post_init__(self) -> None:
        idle = self.only_made if self.source else self.only_real
        for field in fields(self):
            if field.name in idle and getattr(self, field.name) != field.default:
                given = "with" if self.source else "without"
                raise UserError(f"The field {field.name!r} means nothing {given} a source.")

    @property
    @abstractmethod
    def columns(self) -> Columns:
        """Which columns are read of real data; models read the first."""

    @abstractmethod
    def real(self, found: Found, length: int) -> Examples:
        """All real examples at a length; `UserError` where there are none."""

    @abstractmethod
    def made_signature(self, length: int) -> Signature:
        """The signature of data that are made up; the others likewise."""

    @abstractmethod
    def made_sample(
        self, length: int, count: int, generator: torch.Generator, split: Split
    ) -> Batch:
        """Draw examples."""

    @abstractmethod
    def made_chance(self, length: int) -> float:
        """The chance level."""

    @abstractmethod
    def made_oracle(self, length: int, source: Tensor, source_mask: Tensor | None) -> Tensor:
        """Answer from the source."""

    @abstractmethod
    def made_reading(self) -> DisplayNames:
        """What a person reads them by."""

    def made_optimum(self, length: int) -> float:
        """The best metric that can be reached."""
        return Task.optimum(self, length)

    def made_examples(self, split: Split) -> int | None:
        """How many different examples a split holds."""
        return None

    def signature(self, length: int) -> Signature:
        """What is read and written; `UserError` where the source cannot be read, too."""
        return _real(self, length).signature if self.source else self.made_signature(length)

    def sample(self, length: int, count: int, generator: torch.Generator, split: Split) -> Batch:
        """Draw examples, real ones without replacement while there are any."""
        if self.source:
            return _real(self, length).sample(count, generator, split)
        return self.made_sample(length, count, generator, split)

    def chance(self, length: int) -> float:
        """For real data, of the training split."""
        return _real(self, length).chance if self.source else self.made_chance(length)

    def optimum(self, length: int) -> float:
        """For real data an upper bound."""
        return Task.optimum(self, length) if self.source else self.made_optimum(length)

    def num_examples(self, length: int, split: Split) -> int | None:
        """For real data, how many are taken at this length."""
        return _real(self, length).count(split) if self.source else self.made_examples(split)

    def oracle(self, length: int, source: Tensor, source_mask: Tensor | None) -> Tensor:
        """Real data are looked up among all that are stored; see `Examples.answers`.

        The commonest answer that stands there, or its probabilities.
        """
        if not self.source:
            return self.made_oracle(length, source, source_mask)
        counts = _real(self, length).answers(source, source_mask)
        if self.metric.log_probabilities:
            told = counts + ~counts.any(2, keepdim=True)  # padding: any symbol alike
            return (told / told.sum(2, keepdim=True)).log()
        return counts.argmax(2)

    def fingerprint(self) -> str:
        """A hash of all that was read of the source."""
        return find(self.source, self.subset, self.columns).digest if self.source else ""

    def display_names(self, length: int) -> DisplayNames:
        """Words, classes and the like."""
        return _real(self, length).reading if self.source else self.made_reading()

    def data_summary(self, length: int) -> Mapping[str, Any]:
        """How many real examples were cut or left out, are unknown, or stand in two splits."""
        return _real(self, length).facts() if self.source else {}


@lru_cache(maxsize=8)
def _real(task: Sourced, length: int) -> Examples:
    """All examples, read once a process; `UserError` where nothing can be learnt from them."""
    if length < 1:
        raise UserError(f"Real data need a length of at least 1, not {length}.")
    examples = task.real(find(task.source, task.subset, task.columns), length)
    if examples.chance == task.optimum(length):
        raise UserError(
            f"{task.source} leaves nothing to tell: all answers in training are the same."
        )
    return examples
