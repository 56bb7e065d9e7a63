"""The stable order against torch's, for keys of every width."""

import pytest
import torch

from lagbench.material.sampling import stable_order


@pytest.mark.parametrize("largest", [1, 255, 256, 65_535, 65_536, 2**40])
def test_the_order_is_that_of_a_stable_argsort(largest):
    keys = torch.randint(largest + 1, (5, 300), generator=torch.Generator().manual_seed(0))
    keys[:, 100:200] = keys[:, :100]  # so that there are equal ones, in any range
    keys[0, 0] = largest
    assert torch.equal(stable_order(keys), keys.argsort(dim=1, stable=True))


def test_truth_values_are_keys_too():
    keys = torch.tensor([[True, False, True, False]])
    assert stable_order(keys).tolist() == [[1, 3, 0, 2]]
