"""What is measured of a model, where it does not depend on the machine."""

import pytest
import torch
from torch import Tensor, nn

from lagbench import registry
from lagbench.contract import Batch
from lagbench.cost.throughput import throughput
from lagbench.cost.timing import Timing
from lagbench.device import CPU
from lagbench.model.state import state_at_end
from lagbench.record import Throughput
from lagbench.spec.pairing import Plan, match
from lagbench.spec.recipe import Recipe
from lagbench.train.cell import Job

D = 8


def measured(architecture: str, task: str, length: int, device: torch.device = CPU) -> Throughput:
    named = registry.task(task)
    plan = match(registry.architecture(architecture).value, named.value.signature(length))
    assert isinstance(plan, Plan)
    job = Job(plan, D, named, length, (0,), (1e-3,), Recipe(batch_size=4))
    return throughput(job, (architecture, task), device)


def test_a_pooled_answer_is_not_decoded() -> None:
    cost = measured("lstm", "recall", 12)
    assert cost.decode_ms_per_token is None
    assert cost.tokens_per_example == 12
    assert cost.state_bytes == 4 * 2 * D
    low, high = cost.train_tokens_per_second_low, cost.train_tokens_per_second_high
    assert low is not None
    assert high is not None
    assert low <= cost.train_tokens_per_second <= high
    assert cost.other_cores is not None
    assert cost.undisturbed is (cost.other_cores < 0.5)


@pytest.mark.parametrize("architecture", ["gru", "transformer_causal", "seq2seq_additive"])
def test_a_written_answer_is_decoded(architecture: str) -> None:
    cost = measured(architecture, "copy", 3)
    low, median = cost.decode_ms_per_token_low, cost.decode_ms_per_token
    high = cost.decode_ms_per_token_high
    assert low is not None
    assert median is not None
    assert high is not None
    assert 0 < low <= median <= high


def test_counts_are_the_same_again() -> None:
    first, other = (measured("gru", "adding", 20) for _ in range(2))
    for name in ("peak_memory_bytes", "flops_per_token", "state_bytes"):
        assert getattr(first, name) == getattr(other, name) > 0


def test_a_cache_grows_with_what_was_read_and_a_recurrent_state_does_not() -> None:
    sizes = {}
    for name in ("gru", "transformer_causal"):
        for length in (10, 20):
            signature = registry.task("recall").value.signature(length)
            plan = match(registry.architecture(name).value, signature)
            assert isinstance(plan, Plan)
            size = state_at_end(plan, D)
            assert size is not None
            sizes[name, length] = size.bytes
    assert sizes["gru", 10] == sizes["gru", 20] == 4 * D
    assert sizes["transformer_causal", 20] == 2 * sizes["transformer_causal", 10]


def test_nothing_is_kept_where_all_is_read_at_once() -> None:
    plan = match(registry.architecture("bilstm").value, registry.task("recall").value.signature(10))
    assert isinstance(plan, Plan)
    assert state_at_end(plan, D) is None


def test_model_reference_and_batch_are_on_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """No GPU is needed to see where everything is put."""
    card, used = torch.device("cuda", 1), []
    module = "lagbench.cost.throughput"

    def use(kind: str, device: torch.device) -> None:
        used.append((kind, device))

    def to(self: nn.Module, device: torch.device) -> nn.Module:
        use(type(self).__name__, device)
        return self

    def to_device(batch: Batch, device: torch.device) -> Batch:
        use("batch", device)
        return batch

    def randn(*shape: int, device: torch.device | None = None) -> Tensor:
        if device is not None:
            use("reference's input", device)
        return torch.zeros(shape)

    def time(calls: list[object], device: torch.device) -> list[Timing]:
        use("clock", device)
        return [Timing(1.0, 1.0, 1.0)] * len(calls)

    def peak_memory(call: object, resident: list[Tensor], device: torch.device) -> int:
        use("memory", device)
        return 1

    monkeypatch.setattr(nn.Module, "to", to)
    monkeypatch.setattr(torch, "randn", randn)
    monkeypatch.setattr(f"{module}.to_device", to_device)
    monkeypatch.setattr(f"{module}.time_interleaved", time)
    monkeypatch.setattr(f"{module}.peak_memory", peak_memory)
    monkeypatch.setattr(f"{module}.device_name", lambda device: f"the name of {device}")
    assert measured("gru", "recall", 6, card).device == "the name of cuda:1"
    assert used == [
        ("PooledModel", card),
        ("batch", card),
        ("LSTM", card),
        ("reference's input", card),
        ("clock", card),
        ("memory", card),
    ]
