"""What is counted on the CPU, against the `meta` device, which hides nothing."""

import pytest
import torch

from bench import registry
from bench.matching import Plan, match
from bench.model.assembly import assemble
from bench.speed.operations import operations

T, D = 12, 8


@pytest.mark.parametrize(
    "name", ["rnn", "gru", "lstm", "deep_lstm", "transformer", "tcn", "mamba", "s4d"]
)
def test_the_count_is_that_of_the_meta_device(name):
    signature = registry.task("recall").value.signature(T)
    plan = match(registry.architecture(name).value, signature)
    assert isinstance(plan, Plan)
    model = assemble(plan, D)
    source = torch.zeros(1, T, dtype=torch.int64)
    with torch.no_grad():
        counted = operations(lambda: model(source, None, None))
        model.to("meta")
        assert counted == operations(lambda: model(source.to("meta"), None, None)) > 0


def test_an_lstm_has_four_gates_of_two_products():
    lstm = torch.nn.LSTM(3, 5)
    with torch.no_grad():
        counted = operations(lambda: lstm(torch.zeros(7, 2, 3)))
    assert counted == 7 * 2 * 2 * 4 * 5 * (3 + 5)


def test_attention_compares_all_with_all():
    x = torch.zeros(2, 4, 9, 6)
    attend = torch.nn.functional.scaled_dot_product_attention
    assert operations(lambda: attend(x, x, x)) == 2 * 4 * 2 * (2 * 9 * 9 * 6)
