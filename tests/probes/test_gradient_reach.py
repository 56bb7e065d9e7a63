"""Gradient reach against closed forms and against gradients taken one by one."""

import math

import pytest
import torch

from lagbench.probes.context import NotMeasurable, in_double
from lagbench.probes.gradient_reach import gradient_norms, gradient_reach, gradient_reach_initial
from lagbench.probes.lags import answering_steps, target_loss_mask
from lagbench.train.objective import target_losses


@pytest.mark.parametrize("factor", [0.1, 0.9, 1.0, 10.0])
def test_a_linear_recurrence_has_the_closed_form(linear, factor):
    (found,) = gradient_reach(linear(((factor,),)))
    assert [value.x for value in found.values][:10] == [*range(9), 11]
    assert found.values[-1].x == 100
    largest = max(1.0, factor**100)
    for value in found.values:
        assert value.value == pytest.approx(factor**value.x / largest, rel=1e-5)
        assert value.count == 16


def test_the_half_life_of_a_linear_recurrence(linear):
    (fading,), (growing,), (even,) = (
        gradient_reach(linear(((factor,),))) for factor in (0.9, 1.1, 1.0)
    )
    half_life = math.log(2) / -math.log(0.9)
    assert fading.numbers["gradient_half_life"] == pytest.approx(half_life, rel=1e-5)
    assert fading.numbers["gradient_half_life_fit"] == pytest.approx(1)
    assert growing.numbers["gradient_half_life"] == math.inf
    assert even.numbers.get("gradient_half_life", math.inf) > 1e6


@pytest.mark.parametrize("name", ["gru", "lstm", "transformer_causal"])
@pytest.mark.parametrize("task", ["recall", "running_parity", "copy:shortest=0.3"])
def test_norms_are_those_of_each_example_alone(untrained, name, task):
    """Backwards through the embedding: a weight of its own for every step."""
    context = untrained(name, task, 6, width=8)
    batch = in_double(context.examples(4))
    model = context.models[0]
    found = gradient_norms(model, batch)
    ends = [int(row.nonzero().max()) for row in target_loss_mask(batch)]
    for row, end in enumerate(ends):
        one = slice(row, row + 1)
        x = model.embed(batch.source[one]).detach().requires_grad_()
        embed, model.embed = model.embed, Given(x)
        mask = None if batch.source_mask is None else batch.source_mask[one]
        predicted = model(batch.source[one], mask, batch.target[one])
        model.embed = embed
        loss = target_losses(predicted, batch.target[one], model.signature.target)[0, end]
        (gradient,) = torch.autograd.grad(loss, x)
        torch.testing.assert_close(found[row], gradient[0].norm(dim=1))


class Given(torch.nn.Module):
    def __init__(self, x):
        super().__init__()
        self.x = x

    def forward(self, source):
        return self.x


def test_lags_are_counted_as_tasks_count_them(untrained):
    """The step that a target counts from, less its lag, is the step that decides it."""
    for task in ("recall", "copy", "copy:shortest=0.3"):
        context = untrained("min_gru", task, 6)
        batch = context.test
        answers = answering_steps(batch, context.job.plan.signature.alignment)
        known = target_loss_mask(batch) & (batch.lag >= 0)
        assert known.any()
        rows = torch.arange(len(answers))[:, None].expand_as(answers)[known]
        deciding = batch.source[rows, (answers - batch.lag)[known]]
        assert torch.equal(deciding % 8, batch.target[known] % 8)


def test_before_training_is_as_initialised(untrained):
    context = untrained("gru", "recall", 12)
    before, now = gradient_reach_initial(context), gradient_reach(context)
    assert [v.value for v in before[0].values] == [v.value for v in now[0].values]
    assert before[0].values != before[1].values
    assert before[0].numbers == {}
    with torch.no_grad():
        context.replicas.flat.mul_(2)
    assert gradient_reach_initial(context)[0].values == before[0].values


def test_tokens_that_are_read_raw_are_refused(untrained):
    found = gradient_reach(untrained("ngram", "recall", 6))
    assert found == NotMeasurable("it reads tokens raw, and they have no gradient")
