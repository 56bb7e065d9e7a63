"""The probe of a task's own measures."""

from dataclasses import replace

import torch

from lagbench.probes.context import NotMeasurable
from lagbench.probes.measures import measures


def test_every_measure_of_every_replica_is_a_value_at_the_length(untrained):
    context = untrained("seq2seq", "translation", 12, examples=20)
    task, test = context.job.task.value, context.test
    answers = torch.stack([test.target, test.target.flip(0)])
    found = measures(replace(context, answers=answers))
    for finding, own in zip(found, answers, strict=True):
        (value,) = finding.values
        assert (value.probe, value.x, value.count) == ("bleu", 12, 20)
        assert value.value == task.extra_metrics(12, own, test)["bleu"]
    assert found[0].values[0].value == 1.0


def test_a_task_without_measures_has_none(untrained):
    found = measures(untrained("gru", "recall", 12))
    assert found == NotMeasurable("the task has no measures beside its metric")
