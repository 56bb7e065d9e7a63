"""Timings of shapes: what is timed, not how long it takes."""

import pytest

from lagbench import registry
from lagbench.contract import UserError
from lagbench.cost.step_time import Shape, step_times


def test_every_shape_has_a_value_a_round():
    registry.discover()
    shapes = [Shape("gru", 4, 3, width=8), Shape("transformer", 6, 2, width=8)]
    found = step_times(shapes, 2, "a processor")
    assert [(one.architecture, one.length, one.batch) for one in found] == [
        ("gru", 4, 3),
        ("transformer", 6, 2),
    ]
    for one in found:
        assert len(one.seconds_per_token) == 2
        assert all(value > 0 for value in one.seconds_per_token)
        assert one.parameters > 0
        assert one.device == "a processor"


def test_what_cannot_run_is_said():
    registry.discover()
    with pytest.raises(UserError, match="conv_lstm cannot be timed"):
        step_times([Shape("conv_lstm", 4, 1, width=8)], 1, "a processor")
