"""The 1,797 handwritten digits that scikit-learn ships, 8 × 8 pixels, in a fixed partition.

Source: E. Alpaydin and C. Kaynak (1998), Optical Recognition of Handwritten Digits, UCI Machine
Learning Repository (its test part). Loaded when first asked for, then kept.

The partition is by counting, not by chance, so that no library's version can move it: among
the images of one class, in stored order, of every twenty 14 are for training, 3 for validation
and 3 for the test. It is therefore stratified; the writers are not kept apart.
"""

from functools import cache

import torch
from torch import Tensor

from lagbench.contract import Split

CLASSES = 10
_SPLITS = {Split.TRAIN: range(14), Split.VALIDATION: range(14, 17), Split.TEST: range(17, 20)}


@cache
def images(split: Split | None = None) -> Tensor:
    """The images of a split, `(N, 8, 8)` float16 in [0, 1], not to be written to; None: all.

    Half precision is exact: there are 16 levels of grey beside black.
    """
    pixels = _stored()[0]
    return pixels if split is None else pixels[_members(split)]


@cache
def labels(split: Split | None = None) -> Tensor:
    """Their classes, `(N,)` int64 in 0 … 9, not to be written to; None: of all, in stored order."""
    classes = _stored()[1]
    return classes if split is None else classes[_members(split)]


def draw(split: Split, count: int, generator: torch.Generator) -> Tensor:
    """Indices `(count,)` into a split, none a second time before each has been drawn once."""
    size = len(labels(split))
    rounds = [torch.randperm(size, generator=generator) for _ in range(-(-count // size))]
    return torch.cat(rounds)[:count] if rounds else torch.empty(0, dtype=torch.int64)


def majority() -> float:
    """The share of the most frequent class."""
    return labels().bincount().max().item() / len(labels())


@cache
def _stored() -> tuple[Tensor, Tensor]:
    from sklearn.datasets import load_digits  # heavy: only where the images are used

    stored = load_digits()
    return torch.tensor(stored.images, dtype=torch.float16) / 16, torch.tensor(stored.target)


def _members(split: Split) -> Tensor:
    classes = torch.nn.functional.one_hot(_stored()[1], CLASSES)
    rank = (classes.cumsum(0) * classes).sum(1) - 1  # how many of its class stand before it
    return torch.isin(rank % 20, torch.tensor(_SPLITS[split])).nonzero().squeeze(1)
