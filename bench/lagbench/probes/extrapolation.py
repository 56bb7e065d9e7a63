"""Extrapolation: the score at lengths that were never trained on."""

from dataclasses import dataclass

import torch

from lagbench.contract import Signature, Split, UserError
from lagbench.data.splits import fixed_split
from lagbench.model.assembly import assemble
from lagbench.probes.context import DEEPER, NotMeasurable, Probe, ProbeContext, ProbeResult
from lagbench.record import ProbeValue
from lagbench.spec.pairing import Plan, Unsupported, match
from lagbench.train.evaluation import evaluate
from lagbench.train.objective import Scale
from lagbench.train.replicas import Replicas, replicate

NAME = "extrapolation"
EXAMPLES = 128
LEAST = 16  # examples in any case
SHARE = 0.1  # its share of what probes may cost, for each multiple
MOST_STEPS = 1024  # of source and target together
SCORED = 2  # the multiple whose score is a field of the record


@dataclass(frozen=True)
class Extrapolation:
    """The score at `multiple` times the trained length, with the same weights."""

    multiple: int

    def __call__(self, context: ProbeContext) -> list[ProbeResult] | NotMeasurable:
        """One value, `x` the length: of new test examples, answered as the test was.

        Number: `extrapolation_score`, of twice the length.
        """
        job, length = context.job, context.job.length * self.multiple
        plan = longer_plan(context, length)
        if isinstance(plan, NotMeasurable):
            return plan
        replicas = lengthened(context, plan)
        if isinstance(replicas, NotMeasurable):
            return replicas
        task = job.task.value
        passes = self.multiple * (2 if plan.writes else 1)  # written answers are forced, too
        count = context.example_budget(SHARE, passes, LEAST, EXAMPLES)
        split = fixed_split(job.task, length, Split.TEST, count)
        reached, _ = evaluate(replicas, split, task.metric, job.recipe.decoding)
        scale = Scale(task.metric, task.chance(length), task.optimum(length))
        return [self._result(length, scale.score(metric), len(split.source)) for metric in
                reached.metric.tolist()]  # fmt: skip

    def _result(self, length: int, score: float, count: int) -> ProbeResult:
        numbers = {"extrapolation_score": score} if self.multiple == SCORED else {}
        return ProbeResult([ProbeValue(probe=NAME, x=length, value=score, count=count)], numbers)


def longer_plan(context: ProbeContext, length: int) -> Plan | NotMeasurable:
    """How the architecture runs the task at another length, or why it cannot be asked to."""
    trained = context.job.plan.signature
    try:
        signature = context.job.task.value.signature(length)
    except UserError as error:
        return NotMeasurable(f"the task has no length {length}: {error}")
    if _ends(signature) != _ends(trained):
        return NotMeasurable(f"the task reads or writes other symbols at length {length}")
    most = DEEPER * MOST_STEPS if context.deep else MOST_STEPS
    if signature.steps + signature.target_steps > most:
        return NotMeasurable(f"length {length} has more than {most} steps, which takes too long")
    plan = match(context.job.plan.architecture, signature)
    return NotMeasurable(plan.reason) if isinstance(plan, Unsupported) else plan


def lengthened(context: ProbeContext, plan: Plan) -> Replicas | NotMeasurable:
    """The replicas with the same weights, assembled for another length."""
    trained, device = context.replicas, context.replicas.flat.device
    with torch.random.fork_rng(devices=[]):
        count = len(trained)
        models = [assemble(plan, context.job.width, context.job.recipe.feed) for _ in range(count)]
    shapes = [[p.shape for p in model.parameters()] for model in (models[0], trained.models[0])]
    if shapes[0] != shapes[1]:
        return NotMeasurable("it has a weight for every step, and none for further steps")
    for model, source in zip(models, trained.models, strict=True):
        buffers = dict(source.named_buffers())
        for name, buffer in model.named_buffers():
            if name in buffers and buffers[name].shape == buffer.shape:
                buffer.copy_(buffers[name])
    replicas = replicate(models, trained.execution, device)
    with torch.no_grad():
        replicas.flat.copy_(trained.flat)
    return replicas


def _ends(signature: Signature) -> tuple[object, ...]:
    return signature.source, signature.target, signature.alignment, signature.causal


EXTRAPOLATIONS = (
    Probe(f"{NAME}_{SCORED}x", Extrapolation(SCORED), (f"{NAME}_score",)),
    *(Probe(f"{NAME}_{multiple}x", Extrapolation(multiple)) for multiple in (4, 8)),
)
