"""Operations of a forward pass against closed forms."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from lagbench import registry
from lagbench.contract import Alignment, Signature, Tokens
from lagbench.model import operations
from lagbench.model.operations import forward_operations, quickest
from lagbench.spec.pairing import Plan, match

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
    assert forward_operations(plan, 4 * plan.architecture.width_multiple) > 0


@pytest.mark.parametrize("name", sorted(registry.architectures()))
def test_a_cpu_counts_what_shapes_alone_say(name, monkeypatch):
    task = registry.task("moving_digit" if name in ("conv_lstm", "cnn_lstm") else "recall").value
    plan = match(registry.architecture(name).value, task.signature(task.lengths[0]))
    counts = []
    for device in ("cpu", "meta"):
        monkeypatch.setattr(operations, "quickest", lambda *_, device=device: device)
        counts.append(forward_operations(plan, 4 * plan.architecture.width_multiple))
    assert counts[0] == counts[1]


@pytest.mark.filterwarnings("ignore:LSTM with projections")
@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.LSTM(6, 8, num_layers=2, bidirectional=True, batch_first=True),
        lambda: nn.LSTM(6, 8, proj_size=4, bias=False),
        lambda: nn.GRU(6, 8, num_layers=2, bidirectional=True, batch_first=True),
        lambda: nn.RNN(6, 8),
        lambda: SelfAttention(),
        lambda: nn.TransformerEncoderLayer(6, 2, 12, dropout=0.0, batch_first=True),
        lambda: nn.Conv1d(5, 8, 3, padding="same"),
        lambda: nn.ConvTranspose1d(5, 8, 3, stride=2),
    ],
    ids=["lstm", "projected_lstm", "gru", "rnn", "attention", "transformer", "conv", "transposed"],
)
def test_libraries_kernels_are_counted_as_their_shapes(make):
    counts = []
    for device in ("cpu", "meta"):
        with torch.device(device):
            module, x = make(), torch.zeros(1, 5, 6)
            counts.append(operations.operations(lambda module=module, x=x: module(x)))
    assert counts[0] == counts[1] > 0


class SelfAttention(nn.MultiheadAttention):
    def __init__(self):
        super().__init__(6, 2, batch_first=True)

    def forward(self, x):
        return super().forward(x, x, x, need_weights=False)


@pytest.mark.parametrize("how", [{"is_causal": True}, {"attn_mask": 3}, {"dropout_p": 0.5}])
def test_attention_is_two_products_whatever_computes_it(how):
    how = {name: torch.ones(3, 5) if name == "attn_mask" else value for name, value in how.items()}
    query, key, value = torch.zeros(2, 4, 3, 8), torch.zeros(2, 4, 5, 8), torch.zeros(2, 4, 5, 6)
    found = operations.operations(lambda: F.scaled_dot_product_attention(query, key, value, **how))
    assert found == 2 * (2 * 4) * 3 * 5 * (8 + 6)


def test_models_too_large_to_compute_are_counted_by_their_shapes():
    assert quickest(POOLED, D) == "cpu"
    assert quickest(POOLED, 2**14) == "meta"
    square = match(registry.architecture("lstm").value, POOLED)
    assert forward_operations(square, 2**20) == 7 * 2 * 4 * 2 * 2**40 + 2 * 2**20 * 3


def test_counting_leaves_the_generator_alone():
    torch.manual_seed(0)
    counted("lstm", POOLED)
    after = torch.rand(3)
    torch.manual_seed(0)
    assert torch.equal(after, torch.rand(3))


@pytest.mark.parametrize(("name", "gates"), [("rnn", 1), ("gru", 3)])
def test_a_recurrent_layer_is_counted_as_its_equations_state_it(name: str, gates: int) -> None:
    """At every step: the embedding of values, the projection of the inputs, and the recurrence."""
    steps, width = 16, 8
    task = registry.task("adding").value.signature(steps)
    plan = match(registry.architecture(name).value, task)
    assert isinstance(plan, Plan)
    step = 2 * width + gates * width * width + gates * width * width
    assert forward_operations(plan, width) == 2 * (steps * step + width)
