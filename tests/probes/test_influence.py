"""Influence of models that are wired by hand to one lag, or to remember one input."""

import math
from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from lagbench import registry
from lagbench.data.streams import select
from lagbench.probes import probed
from lagbench.probes.influence import (
    FEWEST,
    INFLUENCE,
    INFLUENCE_ORACLE,
    between_logits,
    by_lag,
    exchanges,
    influence,
    influence_oracle,
    moved_by,
    reach,
    thinned,
)
from lagbench.registry import Named
from tests.probes.wired import First, LookBack, subject_of


@pytest.mark.parametrize("aligned", [False, True])
@pytest.mark.parametrize("probe", [influence, influence_oracle])
def test_a_model_wired_to_one_lag(delayed, probe, aligned):
    found = probe(delayed(task=LookBack(aligned=aligned)))
    assert len(found) == 2
    for finding in found:
        curve = {value.x: value.value for value in finding.values}
        assert curve == {lag: float(lag == 5) for lag in (*range(9), 11, 16, 19)}
    if probe is influence:
        assert found[0].numbers == {"influence_reach": 5.0}


def test_the_oracle_of_a_written_answer_looks_where_the_task_says(untrained):
    context = untrained("min_gru", "copy", 6)
    finding = influence_oracle(context)[0]
    deciding = set(context.test.lag.unique().tolist())
    assert len(deciding) == 1
    for value in finding.values:
        assert (value.value > 0.5) if value.x in deciding else (value.value == 0)


@pytest.mark.parametrize(
    ("own", "should", "expected"),
    [
        ([1, 1, 1, 1], [1, 1, 1, 1], 9.0),
        ([1, 1, 0.4, 1], [1, 1, 1, 1], 1.0),  # what lies beyond a gap does not count
        ([0.2, 0.1, 0.1, 0.2], [0.4, 0.2, 0.2, 0.5], 4.0),  # half of the oracle's, however flat
        ([0, 0, 0, 0.6], [0, 0, 0, 1], 9.0),  # only where anything should move
        ([1, 1, 1, 0.4], [0, 0, 0, 1], 0.0),
        ([0.4, 1, 1, 1], [1, 1, 1, 1], 0.0),
        ([1, 1, 1, 1], [0, 0, 0, 0], None),
    ],
)
def test_reach_goes_as_far_as_the_model_follows_the_oracle(delayed, own, should, expected):
    found = reach(*influences(delayed(), own, should))
    assert found == ({} if expected is None else {"influence_reach": expected})


def influences(context, own, should, count=FEWEST):
    """`count` exchanges at each of four lags, which move model and oracle so far in the mean."""
    place = torch.arange(4).repeat_interleave(count)
    pool = exchanges(context, context.test)
    spread = torch.linspace(0.5, 1.5, count).repeat(4)
    wanted, moved = (torch.tensor(means).double()[place] * spread for means in (should, own))
    return replace(pool, position=place, should=wanted, lags=[0, 1, 4, 9]), moved


def test_a_lag_with_too_few_exchanges_that_matter_says_nothing(delayed):
    made, moved = influences(delayed(), [1, 0, 1, 1], [1, 1, 1, 1])
    assert reach(made, moved) == {"influence_reach": 0.0}
    made.should[made.position == 1] *= torch.tensor([1.0] * (FEWEST - 1) + [0.0])
    assert reach(made, moved) == {"influence_reach": 9.0}


def test_those_that_are_kept_stand_for_all(untrained):
    """What they say of the oracle is what all exchanges say of it."""
    context = untrained("min_gru", "recall", 6, examples=400)
    pool = exchanges(context, context.test)
    moved = pool.batch.source.eq(pool.before.source[pool.example]).all(1, keepdim=True).mT.double()
    made = thinned(replace(pool, should=moved[0]), 64)
    kept = made.batch.source.eq(made.before.source[made.example]).all(1, keepdim=True).mT.double()
    assert len(made.example) < len(pool.example)
    (means, counts), (expected, _) = by_lag(made, kept), by_lag(pool, moved)
    torch.testing.assert_close(means, expected)
    assert counts.max() <= 128
    assert made.weight.sum() == len(pool.example)


def test_drawing_anew_takes_what_stands_at_the_same_step(untrained):
    context = untrained("min_gru", "copy:shortest=0.3", 6)
    made = exchanges(context, context.test)
    moved = made.batch.source != context.test.source[made.example]
    assert (moved.sum(1) <= 1).all()
    assert moved.any()
    row, step = moved.nonzero(as_tuple=True)
    assert context.test.source_mask[made.example[row], step].all()
    counted = context.test.target_mask[made.example, made.target]
    assert counted.all()
    n = context.test.source_mask.sum(1)[made.example][row]
    lags = torch.tensor(made.lags)[made.position][row]
    assert torch.equal(n + made.target[row] - step, lags)


def test_an_oracle_that_cannot_read_what_is_broken_costs_its_own_values_alone(delayed):
    class Strict(LookBack):
        def oracle(self, length, source, source_mask):
            if (source != source[:, :1]).any():
                raise ValueError("no such sentence")
            return super().oracle(length, source, source_mask)

    found = probed(delayed(task=Strict()), [INFLUENCE, INFLUENCE_ORACLE])
    assert found.unsupported == {"influence_oracle": "ValueError: no such sentence"}
    assert found.numbers == [{}] * 2  # nobody knows how far it should reach
    curve = {value.x: value.value for value in found.values[0]}
    assert curve == {lag: float(lag == 5) for lag in (*range(9), 11, 16, 19)}


def test_answers_before_and_after_belong_together(untrained):
    """Whatever is cut and put in order between: each exchange against answering it alone."""
    context = untrained("gru", "copy:shortest=0.3", 6, examples=40)
    pool = exchanges(context, context.test)
    made = thinned(replace(pool, should=(pool.example % 3).double()), 5)

    def answer(batch):
        return context.replicas.predict(batch, teacher_forced=True)

    found = moved_by(context, made, answer, between_logits)
    for row in range(len(made.example)):
        before = answer(select(made.before, made.example[row : row + 1]))
        after = answer(select(made.batch, slice(row, row + 1)))
        place = made.target[row]
        alone = between_logits(before[:, 0, place], after[:, 0, place])
        torch.testing.assert_close(found[:, row], alone, atol=1e-6, rtol=0)
    assert found.max() > 0.01


def gates_by_hand(model):
    """Coordinate 0 holds the value, 1 the mark: the input gate opens for the mark alone."""
    for parameter in model.parameters():
        parameter.zero_()
    model.embed.weight.copy_(torch.eye(2))
    layer = model.core.layers[0]
    W = layer.weight_ih.view(4, 2, 2)
    b = layer.bias.view(4, 2)
    W[0, 0, 1], b[0, 0] = 200, -100  # input: open at the mark, closed ever after
    b[1, 0] = 100  # forget: keep
    W[2, 0, 0] = 1  # candidate: the value
    b[3, 0] = 100  # output: open
    model.head.weight[0, 0] = 1


def fading(model):
    for parameter in model.parameters():
        parameter.zero_()
    model.embed.weight.copy_(torch.eye(2))
    layer = model.core.layers[0]
    layer.weight_ih[0, 0] = 1
    layer.weight_hh[0, 0] = 0.7
    model.head.weight[0, 0] = 1


def at_the_first_step(name, wire, length):
    """The influence of the input at time 0 as a share of what it should be."""
    task = Named("first", First())
    context = subject_of(registry.architecture(name).value, task, length, 2, wire, examples=64)
    found, wanted = influence(context)[0], influence_oracle(context)[0]
    assert found.values[-1].x == wanted.values[-1].x == length - 1
    return found, wanted


def test_an_lstm_with_gates_set_by_hand_keeps_the_first_input():
    for length in (2, 10, 60):
        found, wanted = at_the_first_step("lstm", gates_by_hand, length)
        assert wanted.values[-1].value > 0.3
        for value, should in zip(found.values, wanted.values, strict=True):
            assert value.value == pytest.approx(should.value, abs=1e-5)
        assert found.numbers == {"influence_reach": length - 1}


def test_what_has_faded_is_not_reached():
    reached = [
        at_the_first_step("rnn", fading, length)[0].numbers["influence_reach"]
        for length in range(2, 12)
    ]
    assert reached == [1, *[0] * 9]


def test_in_a_simple_recurrent_network_it_fades_step_by_step():
    shares = []
    for length in range(2, 12):
        found, wanted = at_the_first_step("rnn", fading, length)
        shares.append(found.values[-1].value / wanted.values[-1].value)
    assert all(later < 0.95 * earlier for earlier, later in pairwise(shares))
    assert shares[-1] < shares[0] / 10
    assert math.isfinite(shares[-1])
