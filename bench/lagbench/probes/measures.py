"""Measures that a task has beside its metric, such as BLEU, of the answers to the test."""

from lagbench.probes.context import Finding, Probe, Refusal, Subject
from lagbench.record import ProbeValue

NAME = "measures"


def measures(subject: Subject) -> list[Finding] | Refusal:
    """One value a measure, by its own name; `x` is the length."""
    length, task = subject.job.length, subject.job.task.value
    metrics = [task.extra_metrics(length, answers, subject.test) for answers in subject.answers]
    if not any(metrics):
        return Refusal("the task has no measures beside its metric")
    count = len(subject.test.source)
    return [
        Finding(
            [
                ProbeValue(probe=name, x=length, value=value, count=count)
                for name, value in values.items()
            ]
        )
        for values in metrics
    ]


MEASURES = Probe(NAME, measures)
