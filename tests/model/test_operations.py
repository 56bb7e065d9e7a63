"""Operations of a forward pass against closed forms."""

import pytest

from bench import registry
from bench.contract import Alignment, Signature, Tokens
from bench.matching import Plan, match
from bench.model.operations import forward_operations

POOLED = Signature(Tokens(5), Tokens(3), Alignment.POOLED, steps=7)
FREE = Signature(Tokens(5), Tokens(3), Alignment.FREE, steps=7, target_steps=4)
D = 16


def counted(name: str, signature: Signature) -> int:
    plan = match(registry.architecture(name).value, signature)
    assert isinstance(plan, Plan)
    return forward_operations(plan, D)


@pytest.mark.parametrize(("name", "gates"), [("rnn", 1), ("gru", 3), ("lstm", 4)])
def test_recurrences_multiply_input_and_state_at_every_step(name, gates):
    head = 2 * D * 3
    assert counted(name, POOLED) == 7 * 2 * gates * 2 * D * D + head


def test_a_language_model_reads_its_answer_too():
    read, answered = 7 + 4, 4  # start and all targets but the last
    assert counted("gru", FREE) == read * 2 * 3 * 2 * D * D + answered * 2 * D * 3


def test_counting_is_the_same_twice_and_grows_with_the_width():
    plan = match(registry.architecture("transformer").value, POOLED)
    counts = [forward_operations(plan, width) for width in (16, 16, 32)]
    assert counts[0] == counts[1] < counts[2]


@pytest.mark.parametrize("name", sorted(registry.architectures()))
def test_every_architecture_can_be_counted(name):
    task = registry.task("moving_digit" if name in ("conv_lstm", "cnn_lstm") else "recall").value
    plan = match(registry.architecture(name).value, task.signature(task.lengths[0]))
    assert isinstance(plan, Plan)
    assert forward_operations(plan, 4 * plan.architecture.multiple) > 0
