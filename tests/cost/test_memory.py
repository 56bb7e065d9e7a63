"""The peak of what is held at once, where it is known."""

import torch

from lagbench.cost.memory import peak_memory

CPU = torch.device("cpu")
MEGABYTE = 2**20


def test_what_is_freed_is_not_counted_twice():
    def call():
        for _ in range(3):
            one = torch.zeros(MEGABYTE // 4)
            del one

    assert peak_memory(call, [], CPU) == MEGABYTE


def test_what_is_held_together_and_what_was_there_add_up():
    resident = torch.zeros(MEGABYTE // 8)

    def call():
        held = [torch.zeros(MEGABYTE // 4) for _ in range(3)]
        held.clear()
        held.append(torch.zeros(MEGABYTE // 4))

    assert peak_memory(call, [resident], CPU) == 3 * MEGABYTE + MEGABYTE // 2


def test_training_holds_its_activations():
    layers = torch.nn.Sequential(*[torch.nn.Sigmoid() for _ in range(5)])
    x = torch.zeros(MEGABYTE // 4, requires_grad=True)
    forward = peak_memory(lambda: layers(x.detach()), [], CPU)
    training = peak_memory(lambda: torch.autograd.grad(layers(x).sum(), x), [], CPU)
    assert forward == 2 * MEGABYTE  # what a layer reads, and what it writes
    assert training >= 5 * MEGABYTE
