"""The 1,797 handwritten digits that scikit-learn ships, 8 × 8 pixels, in a fixed partition.

Source: E. Alpaydin and C. Kaynak (1998), Optical Recognition of Handwritten Digits, UCI Machine
Learning Repository (its test part). Loaded on first use, then cached.

Among the images of one class, in stored order, of every twenty 14 are for training, 3 for
validation and 3 for testing: a stratified partition that no version of a library can change. One
writer's digits may be in several splits.
"""

from functools import cache

import torch
from torch import Tensor

from lagbench.contract import Split

CLASSES = 10
_SPLITS = {Split.TRAIN: range(14), Split.VALIDATION: range(14, 17), Split.TEST: range(17, 20)}


@cache
def images(split: Split | None = None) -> Tensor:
    """Return the images of a split, `(N, 8, 8)` float16 in [0, 1]; None: all. Do not modify.

    Half precision is exact: there are 16 grey levels beside black.
    """
    pixels = _stored()[0]
    return pixels if split is None else pixels[_members(split)]


@cache
def labels(split: Split | None = None) -> Tensor:
    """Return the classes of a split, `(N,)` int64 in 0 … 9; None: of all, in stored order."""
    classes = _stored()[1]
    return classes if split is None else classes[_members(split)]


def draw(split: Split, count: int, generator: torch.Generator) -> Tensor:
    """Draw indices `(count,)` into a split, without replacement until all have been drawn."""
    size = len(labels(split))
    rounds = [torch.randperm(size, generator=generator) for _ in range(-(-count // size))]
    return torch.cat(rounds)[:count] if rounds else torch.empty(0, dtype=torch.int64)


def choose(classes: Tensor, split: Split, generator: torch.Generator) -> Tensor:
    """Draw an image index of the split for each class of a tensor, uniform within a class."""
    order, first, size = _by_class(split)
    rank = torch.rand(classes.shape, generator=generator).mul_(size[classes])
    return order[rank.int().add_(first[classes])]


def majority() -> float:
    """Return the share of the most frequent class."""
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


@cache
def _by_class(split: Split) -> tuple[Tensor, Tensor, Tensor]:
    """Return the images of a split in order of class, and the start and size of each class."""
    classes = labels(split)
    size = classes.bincount(minlength=CLASSES)
    first = size.cumsum(0) - size
    return classes.argsort(stable=True).int(), first.int(), size.float()
