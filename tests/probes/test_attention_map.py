"""Attention maps: whose weights they are, what their axes are called, and what is too large."""

from dataclasses import dataclass, replace

import pytest
import torch
from torch import nn

from lagbench import registry
from lagbench.contract import Architecture, Batch
from lagbench.data.streams import select
from lagbench.probes import attention_map as probe
from lagbench.probes.attention_alignment import attention_weights
from lagbench.probes.attention_map import ATTENTION_MAP, START, attention_map, labels
from lagbench.probes.context import NotMeasurable, in_double
from lagbench.probes.lags import answering_steps
from lagbench.record import Record
from tests.probes.wired import SYMBOLS, Attending, Delayed, subject_of


class Before(Attending):
    """Every step looks at the one before it, in the second layer at the first step."""

    def attention(self, x, mask=None):
        places = torch.arange(x.shape[1])
        looked_at = torch.stack([(places - 1).clamp(min=0), 0 * places])
        weights = nn.functional.one_hot(looked_at, x.shape[1]).double()
        return weights[None, :, None].expand(len(x), -1, 2, -1, -1)


@dataclass(frozen=True)
class LooksBack(Architecture):
    """y = x"""

    def build(self, width, signature):
        return Before()


def test_the_map_of_a_model_whose_attention_is_known():
    context = subject_of(LooksBack(), registry.task("recall"), 7, SYMBOLS, seeds=(0, 1))
    first, second = attention_map(context)
    assert second.maps == ()
    assert [(each.example, each.layer) for each in first.maps] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    for each in first.maps:
        assert each.queries == each.keys
        assert len(each.keys) == 7
        looked_at = [row.index(1000) for row in each.weights]
        assert looked_at == ([0, *range(6)] if each.layer == 0 else [0] * 7)
        assert all(sum(row) == 1000 for row in each.weights)


def test_symbols_are_called_as_people_read_them():
    context = subject_of(LooksBack(), registry.task("recall"), 7, SYMBOLS)
    names = registry.task("recall").value.display_names(7).source
    queries, _ = labels(context, select(context.test, slice(0, 1)))
    assert queries == [names[symbol] for symbol in context.test.source[0].tolist()]
    assert queries[-1] == "?"
    assert sum(name.startswith("*") for name in queries) == 1


@pytest.mark.parametrize("name", ["transformer_causal", "seq2seq_dot", "transformer_seq2seq"])
@pytest.mark.parametrize("task", ["copy:shortest=0.3", "recall"])
def test_rows_are_those_of_each_example_without_its_padding(untrained, name, task):
    context = untrained(name, task, 6, width=8)
    found = attention_map(context)[0].maps
    batch = in_double(context.examples(2))
    whole = attention_weights(context.models[0], batch)
    for each in found:
        size = len(each.queries), len(each.keys)
        assert (len(each.weights), len(each.weights[0])) == size
        expected = 1000 * whole[each.example, each.layer, : size[0], : size[1]]
        assert torch.tensor(each.weights).sub(expected).abs().max() <= 0.5 + 1e-6
        assert all(abs(sum(row) - 1000) <= size[1] for row in each.weights)  # nothing on padding


def test_what_a_written_answer_is_read_from_stands_on_its_axes(untrained):
    context = untrained("transformer_causal", "copy:shortest=0.3", 6, width=8)
    one = select(context.test, slice(0, 1))
    read = [str(symbol) for symbol in one.source[0][one.source_mask[0]].tolist()]
    asked = [str(symbol) for symbol in one.target[0][one.target_mask[0]].tolist()]
    queries, keys = labels(context, one)
    assert queries == keys == [*read, START, *asked[:-1]]
    steps = answering_steps(one, context.job.plan.signature.alignment)
    assert queries[int(steps[0, 0])] == START
    writer = untrained("seq2seq_dot", "copy:shortest=0.3", 6, width=8)
    assert labels(writer, one) == (asked, read)


def test_values_are_numbers_or_places(untrained):
    context = untrained("transformer", "adding", 5, width=8)
    queries, _ = labels(context, select(context.test, slice(0, 1)))
    value, mark = context.test.source[0, 2].tolist()
    assert queries[2] == f"{value:.1f}/{mark:.1f}"
    wide = Batch(torch.zeros(1, 3, 4), torch.zeros(1, 1, 1))
    assert probe.texts(wide.source[0], replace(context.job.plan.signature.source, width=4), ()) == [
        "0", "1", "2",
    ]  # fmt: skip


def test_what_has_none_or_too_much_is_refused(untrained, monkeypatch):
    without = subject_of(Delayed(), registry.task("recall"), 7, SYMBOLS)
    assert attention_map(without) == NotMeasurable("it has no attention that it shows")
    long = untrained("transformer", "recall", 33, width=8, examples=2)
    assert attention_map(long) == NotMeasurable(
        "it looks at 33 steps, and maps are drawn of at most 32"
    )
    monkeypatch.setattr(probe, "LARGEST", 2 * 6 * 6 - 1)
    assert (
        "more weights than are kept" in attention_map(untrained("transformer", "recall", 6)).reason
    )


def test_maps_are_a_field_of_the_first_record_alone(untrained):
    from lagbench.probes import probed

    found = probed(untrained("transformer", "recall", 6, width=8), [ATTENTION_MAP])
    assert found.fields(0).keys() <= Record.model_fields.keys()
    assert len(found.fields(0)["attention_maps"]) == 4
    assert found.fields(1)["attention_maps"] == ()
