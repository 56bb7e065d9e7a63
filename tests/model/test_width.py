"""Budgets against every width tried in turn."""

from dataclasses import dataclass, replace

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from lagbench import registry
from lagbench.contract import Alignment, Architecture, Mixer, Pool, Signature, Tokens, UserError
from lagbench.model.state import state_at_end
from lagbench.model.width import TOLERANCE, budget_error, parameter_count, width_for
from lagbench.spec.budget import Budget
from lagbench.spec.pairing import match

SIGNATURE = Signature(Tokens(5), Tokens(3), Alignment.POOLED, steps=4)


class Square(Mixer):
    """`W x`: `width²` parameters."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, width, bias=False)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        return self.linear(x)


@dataclass(frozen=True)
class Squares(Architecture):
    of: int = 1

    @property
    def width_multiple(self) -> int:
        return self.of

    def build(self, width: int, signature: Signature) -> Mixer:
        return Square(width)


@dataclass(frozen=True)
class BothEnds(Squares):
    pool = Pool.ENDS


def counted(width):
    """Embedding, core, head and its bias."""
    return 5 * width + width**2 + 3 * width + 3


def test_the_count_is_that_of_the_whole_model():
    assert parameter_count(match(Squares(), SIGNATURE), 7) == counted(7)
    assert parameter_count(match(BothEnds(), SIGNATURE), 7) == counted(7) + 3 * 7


def test_counting_leaves_the_generator_alone():
    torch.manual_seed(0)
    parameter_count(match(Squares(), SIGNATURE), 7)
    after = torch.rand(3)
    torch.manual_seed(0)
    assert torch.equal(after, torch.rand(3))


@pytest.mark.parametrize("multiple", [1, 4])
@pytest.mark.parametrize("wanted", [*range(12, 400, 7), 10_000, 123_456])
def test_the_width_is_the_closest(multiple, wanted):
    plan = match(Squares(multiple), SIGNATURE)
    widths = range(multiple, 400, multiple)
    closest = min(widths, key=lambda width: abs(counted(width) - wanted))
    off = abs(counted(closest) - wanted)
    if off <= TOLERANCE * wanted:
        assert width_for(plan, Budget(parameters=wanted)) == closest
    else:
        with pytest.raises(UserError, match=f"nearest, {closest}, has {counted(closest)}"):
            width_for(plan, Budget(parameters=wanted))


def multiplied(width):
    """Twice as many operations as products: `W x` at four steps, and the head at one."""
    return 2 * (4 * width**2 + 3 * width)


def carried(width):
    """All four inputs: what has no state of its own reads them again."""
    return 4 * width


@pytest.mark.parametrize("multiple", [1, 4])
@pytest.mark.parametrize(("measure", "closed"), [("flops", multiplied), ("state", carried)])
@pytest.mark.parametrize("wanted", [*range(3, 400, 29), 2_468])
def test_the_width_is_the_closest_in_operations_and_in_state(multiple, measure, closed, wanted):
    plan, budget = match(Squares(multiple), SIGNATURE), Budget(**{measure: wanted})
    grid = range(multiple, 1000, multiple)
    closest = min(grid, key=lambda width: abs(closed(width) - wanted))
    error = (closed(closest) - wanted) / wanted
    if abs(error) <= TOLERANCE:
        width = width_for(plan, budget)
        assert abs(closed(width) - wanted) == abs(closed(closest) - wanted)
        assert budget_error(plan, width, budget) == (closed(width) - wanted) / wanted
    else:
        with pytest.raises(UserError, match=f"no width comes within 10% of {wanted} "):
            width_for(plan, budget)


def test_a_state_that_there_is_not_or_that_does_not_grow_is_refused():
    bidirectional = match(registry.architecture("bigru").value, SIGNATURE)
    with pytest.raises(UserError, match="carries no state from step to step"):
        width_for(bidirectional, Budget(state=100))
    modes = match(registry.architecture("lru").value, SIGNATURE)
    with pytest.raises(UserError, match="numbers of state do not grow with its width"):
        width_for(modes, Budget(state=1000))


def test_a_width_has_no_error():
    assert budget_error(match(Squares(), SIGNATURE), 12, Budget(width=12)) is None


def test_the_count_of_a_state_is_of_all_that_is_read_and_written():
    gru, cached = (registry.architecture(name).value for name in ("gru", "transformer_causal"))
    free = replace(SIGNATURE, alignment=Alignment.FREE, target_steps=5)
    assert state_at_end(match(gru, free), 8).numbers == 8
    assert (
        state_at_end(match(cached, SIGNATURE), 8).numbers == 2 * 2 * 4 * 8
    )  # layers, keys and values
    assert state_at_end(match(cached, free), 8).numbers == 2 * 2 * (4 + 5) * 8


def test_a_budget_below_the_smallest_model_is_refused():
    with pytest.raises(UserError, match="no width comes within 10% of 3 parameters"):
        width_for(match(Squares(), SIGNATURE), Budget(parameters=3))


def test_a_width_is_taken_as_it_is_where_it_is_possible():
    assert width_for(match(Squares(4), SIGNATURE), Budget(width=12)) == 12
    with pytest.raises(UserError, match="must be a multiple of 4, not 13"):
        width_for(match(Squares(4), SIGNATURE), Budget(width=13))


@pytest.mark.parametrize(
    "fields", [{}, {"parameters": 10, "width": 2}, {"width": 0}, {"flops": 1, "state": 1}]
)
def test_a_budget_is_one_positive_number(fields):
    with pytest.raises(ValidationError):
        Budget(**fields)
