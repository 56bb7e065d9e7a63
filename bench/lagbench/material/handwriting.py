"""Real digits for given classes: which image stands for each is drawn."""

from functools import cache

import torch
from torch import Tensor

from lagbench.contract import Split
from lagbench.material import digits


def choose(classes: Tensor, split: Split, generator: torch.Generator) -> Tensor:
    """An image of the split, by number, for each class of a tensor, all of a class alike."""
    order, first, size = _by_class(split)
    place = torch.rand(classes.shape, generator=generator).mul_(size[classes])
    return order[place.int().add_(first[classes])]


@cache
def _by_class(split: Split) -> tuple[Tensor, Tensor, Tensor]:
    """The images of a split in order of class, and where each class begins and how large it is."""
    classes = digits.labels(split)
    size = classes.bincount(minlength=digits.CLASSES)
    first = size.cumsum(0) - size
    return classes.argsort(stable=True).int(), first.int(), size.float()
