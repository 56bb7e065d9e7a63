"""Lag accuracy, extrapolation, clipping, and the probes together."""

from dataclasses import replace

import pytest
import torch

from lagbench import registry
from lagbench.contract import Batch
from lagbench.data.streams import generator, stack
from lagbench.model.assembly import assemble
from lagbench.probes import PROBES, probed
from lagbench.probes.context import NotMeasurable, Probe
from lagbench.probes.extrapolation import Extrapolation
from lagbench.probes.lag_accuracy import lag_accuracy
from lagbench.probes.lags import chosen_lags, lag_bin
from lagbench.record import Execution, Record
from lagbench.spec.pairing import match
from lagbench.train.optimiser import ReplicaAdamW
from lagbench.train.replicas import replicate
from tests.probes.wired import Delayed, LinearRecurrence


def test_who_knows_the_last_steps_alone_is_at_chance_beyond_them(untrained):
    context = untrained("min_gru", "recall", 40)
    lags = torch.arange(1, 40).repeat_interleave(8)[:, None]
    target = torch.arange(8).repeat(39)[:, None]
    known = torch.where(lags <= 11, target, 3)
    test = Batch(torch.zeros(312, 40), target, lag=lags)
    answers = known[None].expand(2, -1, -1)
    for finding in lag_accuracy(replace(context, test=test, answers=answers)):
        accuracy = {value.x: value.value for value in finding.values}
        assert sum(value.count for value in finding.values) == 312
        assert {x for x, value in accuracy.items() if value == 1} == {*range(1, 9), 10}
        assert {value for x, value in accuracy.items() if x > 11} == {1 / 8}


def test_lags_at_which_curves_are_read():
    assert chosen_lags(0) == [0]
    assert chosen_lags(5) == [*range(6)]
    assert chosen_lags(40) == [*range(9), 11, 16, 22, 32, 40]
    assert [lag_bin(k) for k in chosen_lags(128)] == [*range(17)]


@pytest.mark.parametrize("multiple", [2, 4, 8])
def test_what_is_wired_to_a_lag_works_at_any_length(delayed, multiple):
    found = Extrapolation(multiple)(delayed())
    assert [(f.values[0].x, f.values[0].value) for f in found] == [(20 * multiple, 1.0)] * 2
    expected = {"extrapolation_score": 1.0} if multiple == 2 else {}
    assert [finding.numbers for finding in found] == [expected] * 2


def test_written_answers_are_as_long_as_the_longer_task(untrained):
    found = Extrapolation(2)(untrained("min_gru", "copy", 5))
    assert found[0].values[0].x == 10


def test_what_cannot_be_longer_is_refused(delayed, untrained):
    limited = Extrapolation(2)(delayed(Delayed(limit=30)))
    assert limited == NotMeasurable("it reads at most 30 steps, and the task has 40")
    far = Extrapolation(8)(delayed(length=200))
    assert "more than 1024 steps" in far.reason
    dense = Extrapolation(2)(untrained("dense", "recall", 6))
    assert "weight for every step" in dense.reason


def test_a_probe_that_raises_costs_its_own_values_alone(delayed):
    def broken(context):
        raise RuntimeError("not today")

    found = probed(delayed(), [Probe("broken", broken), *PROBES])
    assert found.unsupported["broken"] == "RuntimeError: not today"
    assert found.unsupported["lag_accuracy"] == "the task states no lags"
    fields = found.fields(0)
    assert fields["influence_reach"] == 5.0
    assert fields["extrapolation_score"] == 1.0
    assert fields.keys() <= Record.model_fields.keys()
    assert {value.probe for value in fields["probes"]} >= {"influence", "extrapolation"}


@pytest.mark.parametrize("name", ["lstm", "bilstm", "transformer", "seq2seq_dot", "cnn_lstm"])
@pytest.mark.parametrize("task", ["recall", "copy:shortest=0.3", "running_parity", "adding"])
def test_nothing_raises(untrained, name, task):
    named = registry.task(task).value
    if not hasattr(match(registry.architecture(name).value, named.signature(8)), "kind"):
        pytest.skip("no such pair")
    found = probed(untrained(name, task, 8, width=8))
    assert not [why for why in found.unsupported.values() if "Error" in why]
    assert {"gradient_reach", "influence"} <= {value.probe for value in found.values[0]}


def test_clipping_bounds_the_update_of_an_exploding_net():
    task = registry.task("adding").value
    plan = match(LinearRecurrence(((10.0,),)), task.signature(6))
    batch = stack([task.sample(6, 4, generator("x"), "train")])
    norms = {}
    for clip in (None, 1.0):
        torch.manual_seed(0)
        replicas = replicate([assemble(plan, 1).float()], Execution.LOOP, torch.device("cpu"))
        optimiser = ReplicaAdamW(replicas.flat, torch.tensor([0.1]), (0.0, 0.0), 0.0, clip, eps=1.0)
        before = replicas.flat.detach().clone()
        replicas.backward(batch, torch.tensor([0]))
        assert replicas.flat.grad.norm() > 1e6
        optimiser.step()
        update = replicas.flat.detach() - before
        norms[clip] = optimiser.tensors.mean.norm().item(), update.norm().item()
    assert norms[None][0] > 1e6
    assert norms[1.0][0] == pytest.approx(1.0, rel=1e-3)
    assert norms[1.0][1] <= 0.1 < norms[None][1]
