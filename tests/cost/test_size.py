"""What an architecture comes to in numbers, against what its equations say."""

from dataclasses import dataclass

import pytest
from torch import nn

from lagbench import registry
from lagbench.contract import (
    Alignment,
    Architecture,
    Cost,
    Frames,
    Mixer,
    Reals,
    Signature,
    Space,
    Task,
    Tokens,
)
from lagbench.cost.size import describe, model_size
from lagbench.model.state import Size, StateSize, state_size
from lagbench.model.width import parameter_count
from lagbench.spec.budget import Budget
from lagbench.spec.pairing import Plan, PlanKind, match

D, SOURCE = 8, Reals(3)
NOTHING = Size(0, 0)


def state_of(
    name: str,
    source: Space = SOURCE,
    alignment: Alignment = Alignment.FREE,
    steps: int = 12,
) -> StateSize | None:
    signature = Signature(source, Tokens(4), alignment, steps, target_steps=5)
    plan = match(registry.architecture(name).value, signature)
    assert isinstance(plan, Plan)
    return state_size(plan, D)


def floats(numbers: float) -> Size:
    return Size(numbers, 4 * numbers)


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("rnn", D),
        ("gru", D),
        ("deep_gru", 2 * D),
        ("lstm", 2 * D),
        ("deep_lstm:layers=3", 6 * D),
        ("windowed_dense:window=5", 4 * D),
        ("min_gru:layers=3", 3 * D),
        ("lru:layers=1,state=5", 2 * 5),  # complex
        ("s4d:layers=1,state=6", D * 6),
    ],
)
def test_a_state_of_constant_size(name: str, numbers: float) -> None:
    assert state_of(name) == StateSize(floats(numbers), NOTHING, None)


def test_a_bag_is_constant_whatever_it_counts_with() -> None:
    assert state_of("bag_of_words") == StateSize(Size(D + 1, 4 * D + 8), NOTHING, None)


def test_a_causal_transformer_keeps_keys_and_values() -> None:
    a_step = floats(3 * 2 * D)
    assert state_of("transformer_causal:layers=3") == StateSize(a_step, a_step, None)


def test_a_table_of_positions_that_ends_before_we_do() -> None:
    a_step = floats(2 * 2 * D)
    name = "transformer_causal:positions=learned,table=17"
    assert state_of(name) == StateSize(a_step, a_step, None)
    name_of_one = "transformer_causal:positions=learned,table=1"
    only = StateSize(a_step, NOTHING, None)
    assert state_of(name_of_one, alignment=Alignment.POOLED, steps=1) == only


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_what_an_encoder_decoder_keeps(cell: str) -> None:
    numbers = {"gru": D, "lstm": 2 * D}[cell]
    assert state_of(f"seq2seq:cell={cell}") == StateSize(floats(numbers), NOTHING, NOTHING)
    attending = StateSize(floats(numbers + D), NOTHING, floats(D))
    assert state_of(f"seq2seq_dot:cell={cell}") == attending


def test_an_encoder_decoder_transformer_keeps_both_sides() -> None:
    a_step = floats(2 * 2 * D)
    expected = StateSize(Size(2 * a_step.numbers, 2 * a_step.bytes), a_step, a_step)
    assert state_of("transformer_seq2seq") == expected


@pytest.mark.parametrize("name", ["bilstm", "dense", "transformer"])
def test_what_reads_ahead_has_no_state(name: str) -> None:
    assert state_of(name, alignment=Alignment.POOLED) is None


def test_raw_sources() -> None:
    symbols = state_of("ngram:n=3", Tokens(5), Alignment.POOLED)
    assert symbols == StateSize(Size(2 + D + 1, 2 * 8 + 4 * D + 8), NOTHING, None)
    images = state_of("cnn_lstm", Frames(1, 8, 8), Alignment.POOLED)
    assert images == StateSize(floats(2 * D), NOTHING, None)


@pytest.mark.parametrize("name", registry.architectures())
def test_every_architecture_of_ours_has_a_size(name: str) -> None:
    value = registry.architectures()[name]
    size = model_size(value, named_tasks(), Budget(parameters=10_000))
    assert size is not None
    assert abs(size.parameters - 10_000) <= 1000
    task = registry.tasks()[size.task]
    plan = match(value, task.signature(size.length))
    assert isinstance(plan, Plan)
    assert (plan.kind, task.lengths[0]) == (size.plan, size.length)
    assert parameter_count(plan, size.width) == size.parameters
    words = describe(size, value.cost)
    assert list(words) == ["parameters", "state", "compute", "path", "sequential"]
    assert all(words.values())


def named_tasks() -> list[registry.Named[Task]]:
    return [registry.Named(*item) for item in registry.tasks().items()]


@dataclass(frozen=True)
class Wide(Architecture):
    """A core with at least a million parameters."""

    def build(self, width: int, signature: Signature) -> Mixer:
        core = Mixer()
        core.dense = nn.Linear(width, 10**6)
        return core


def test_no_task_fits_the_budget() -> None:
    assert model_size(Wide(), named_tasks(), Budget(parameters=10_000)) is None
    assert model_size(Wide(), [], Budget(width=8)) is None
    assert describe(None, None) == {
        "parameters": "none: no task that it can run fits the budget"
    }  # fmt: skip


def test_the_first_task_that_can_be_run_is_taken() -> None:
    tasks = [registry.task(name) for name in ("running_parity", "copy", "parity", "recall")]
    size = model_size(registry.architecture("bigru").value, tasks, Budget(width=6))
    assert size is not None
    assert (size.task, size.plan, size.width) == ("parity", PlanKind.POOL, 6)
    assert size.budget is None


def test_wording() -> None:
    tasks = [registry.task("copy")]
    value = registry.architecture("transformer_seq2seq").value
    words = describe(model_size(value, tasks, Budget(width=8)), Cost("T²", "1", "log T"))
    assert words["parameters"].endswith(" at width 8, on copy at length 16")
    assert words["state"] == (
        "64 numbers (256 bytes) an example after one step; grows by 32 numbers (128 bytes) a "
        "source step and 32 numbers (128 bytes) a target step"
    )
    assert words["compute"].startswith("of order T²:")
    assert words["sequential"].startswith("of order log T:")
    words = describe(model_size(registry.architecture("gru").value, tasks, Budget(width=8)), None)
    assert words["state"] == "8 numbers (32 bytes) an example, after any number of steps"
    assert "compute" not in words
