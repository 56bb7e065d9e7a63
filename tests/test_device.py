"""The peak of memory held at once, where it is known, and which devices there are."""

import pytest
import torch

from lagbench.contract import UserError
from lagbench.device import peak_memory, validate_device

CPU = torch.device("cpu")
MEGABYTE = 2**20


def test_what_is_freed_is_not_counted_twice() -> None:
    def call() -> None:
        for _ in range(3):
            block = torch.zeros(MEGABYTE // 4)
            del block

    assert peak_memory(call, [], CPU) == MEGABYTE


def test_what_is_held_together_and_what_was_there_add_up() -> None:
    resident = torch.zeros(MEGABYTE // 8)

    def call() -> None:
        held = [torch.zeros(MEGABYTE // 4) for _ in range(3)]
        held.clear()
        held.append(torch.zeros(MEGABYTE // 4))

    assert peak_memory(call, [resident], CPU) == 3 * MEGABYTE + MEGABYTE // 2


def test_training_holds_its_activations() -> None:
    layers = torch.nn.Sequential(*[torch.nn.Sigmoid() for _ in range(5)])
    x = torch.zeros(MEGABYTE // 4, requires_grad=True)
    forward = peak_memory(lambda: layers(x.detach()), [], CPU)
    training = peak_memory(lambda: torch.autograd.grad(layers(x).sum(), x), [], CPU)
    assert forward == 2 * MEGABYTE  # what a layer reads, and what it writes
    assert training >= 5 * MEGABYTE


def test_unknown_devices_are_refused() -> None:
    assert validate_device("cpu") == "cpu"
    with pytest.raises(UserError, match="There is no device 'tpu' here; there are: cpu"):
        validate_device("tpu")
