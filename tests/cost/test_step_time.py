"""Timings of shapes: what is timed, not how long it takes."""

import pytest

from lagbench import registry
from lagbench.contract import UserError
from lagbench.cost.step_time import Shape, step_times
from lagbench.device import device_name


def test_every_shape_has_a_value_a_round() -> None:
    registry.discover()
    shapes = [Shape("gru", 4, 3, width=8), Shape("transformer", 6, 2, width=8)]
    times = step_times(shapes, 2)
    assert [(timed.architecture, timed.length, timed.batch) for timed in times] == [
        ("gru", 4, 3),
        ("transformer", 6, 2),
    ]
    for timed in times:
        assert len(timed.seconds_per_token) == 2
        assert all(value > 0 for value in timed.seconds_per_token)
        assert timed.parameters > 0
        assert timed.device == device_name("cpu")


def test_what_cannot_run_is_said() -> None:
    registry.discover()
    with pytest.raises(UserError, match="conv_lstm cannot be timed"):
        step_times([Shape("conv_lstm", 4, 1, width=8)], 1)
