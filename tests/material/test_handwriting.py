"""Images for classes: of the class, and all of them alike."""

import pytest
import torch
from scipy.stats import chisquare

from lagbench.contract import Split
from lagbench.material import digits
from lagbench.material.digits import choose


@pytest.mark.parametrize("split", list(Split))
def test_every_image_of_the_class_is_as_likely(split):
    generator = torch.Generator().manual_seed(0)
    classes = torch.randint(10, (300, 200), generator=generator)
    chosen = choose(classes, split, generator)
    assert torch.equal(digits.labels(split)[chosen], classes)
    for digit in range(10):
        stored = (digits.labels(split) == digit).nonzero()[:, 0]
        counts = torch.bincount(chosen[classes == digit], minlength=len(digits.labels(split)))
        assert chisquare(counts[stored]).pvalue > 1e-4
