"""How long examples are: the range drawn from, and masks."""

import pytest
import torch

from lagbench.contract import UserError
from lagbench.material import lengths


@pytest.mark.parametrize(
    ("longest", "shortest", "least"), [(10, 0.5, 5), (10, 0.0, 1), (10, 1.0, 10), (1, 0.2, 1)]
)
def test_every_number_from_the_share_up_is_drawn(longest, shortest, least):
    steps = lengths.draw(longest, shortest, 2000, torch.Generator().manual_seed(0))
    assert steps.unique().tolist() == list(range(least, longest + 1))


def test_masks_are_true_on_the_first_steps():
    steps = torch.tensor([3, 1])
    mask = lengths.mask(steps, 4)
    assert mask.tolist() == [[True, True, True, False], [True, False, False, False]]
    assert lengths.real_steps(torch.zeros(2, 4), mask).tolist() == [3, 1]
    assert lengths.real_steps(torch.zeros(2, 4, 7), None).tolist() == [4, 4]


def test_what_cannot_be_is_one_sentence():
    with pytest.raises(UserError, match=r"^copy needs a length of at least 2, not 1\.$"):
        lengths.require("copy", 1, 2)
    with pytest.raises(
        UserError, match=r"^copy needs a share from 0 to 1 as shortest, not 2\.0\.$"
    ):
        lengths.require_share("copy", 2.0)
