"""Attention alignment where the weights are known."""

from dataclasses import dataclass

import pytest
import torch

from lagbench import registry
from lagbench.contract import Alignment, Architecture
from lagbench.probes.attention_alignment import attention_alignment, attention_weights
from lagbench.probes.context import NotMeasurable, in_double
from lagbench.probes.lags import answering_steps, target_loss_mask
from tests.probes.wired import SYMBOLS, Attending, Delayed, subject_of


class Marked(Attending):
    """Its attention from step q to step k is the number that says both: 1000 q + k."""

    def attention(self, x, mask=None):
        steps = torch.arange(x.shape[1], dtype=torch.float64)
        weights = 1000 * steps[:, None] + steps
        return weights.expand(len(x), 2, 3, -1, -1) * torch.tensor([1, 2])[:, None, None, None]


@dataclass(frozen=True)
class Attentive(Architecture):
    """y = x"""

    def build(self, width, signature):
        return Marked()


@pytest.mark.parametrize("task", ["recall", "running_parity", "copy", "copy:shortest=0.3"])
def test_the_weight_is_read_where_the_task_says(task):
    named = registry.task(task)
    context = subject_of(Attentive(), named, 7, SYMBOLS)
    found = attention_alignment(context)
    batch = context.test
    if batch.lag is None:
        assert isinstance(found, NotMeasurable)
        return
    alignment = named.value.signature(7).alignment
    known = target_loss_mask(batch) & (batch.lag >= 0)
    queries = answering_steps(batch, alignment)
    expected = (1000 * queries + queries - batch.lag)[known].double().mean().item()
    (values,) = (finding.values for finding in found)
    assert [value.x for value in values] == [0, 1]
    assert [v.value for v in values] == pytest.approx([expected, 2 * expected])
    assert values[0].count == int(known.sum())
    assert alignment is not Alignment.ALIGNED


@pytest.mark.parametrize("name", ["transformer", "transformer_causal", "seq2seq_dot"])
@pytest.mark.parametrize("task", ["recall", "copy:shortest=0.3"])
def test_weights_of_real_models_sum_to_one(untrained, name, task):
    if (name, task) == ("transformer", "copy:shortest=0.3"):
        pytest.skip("it reads ahead")
    context = untrained(name, task, 6, width=8)
    batch = in_double(context.examples(5))
    weights = attention_weights(context.models[0], batch)
    torch.testing.assert_close(weights.sum(-1), torch.ones_like(weights[..., 0]))
    for finding in attention_alignment(context):
        assert all(0 < value.value < 1 for value in finding.values)


def test_who_has_no_attention_is_refused():
    context = subject_of(Delayed(), registry.task("recall"), 7, SYMBOLS)
    assert attention_alignment(context) == NotMeasurable("it has no attention that it shows")
