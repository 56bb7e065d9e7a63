"""Measures that a task has beside its metric, such as BLEU, of the answers to the test."""

from lagbench.probes.context import NotMeasurable, Probe, ProbeContext, ProbeResult
from lagbench.record import ProbeValue

NAME = "measures"


def measures(context: ProbeContext) -> list[ProbeResult] | NotMeasurable:
    """One value a measure, by its own name; `x` is the length."""
    length, task = context.job.length, context.job.task.value
    metrics = [task.extra_metrics(length, answers, context.test) for answers in context.answers]
    if not any(metrics):
        return NotMeasurable("the task has no measures beside its metric")
    count = len(context.test.source)
    return [
        ProbeResult(
            [
                ProbeValue(probe=name, x=length, value=value, count=count)
                for name, value in values.items()
            ]
        )
        for values in metrics
    ]


MEASURES = Probe(NAME, measures)
