"""Running a cell, from names to records, in whichever process it falls to."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from lagbench.contract import Reals, Split, UserError
from lagbench.data.streams import CacheError
from lagbench.model.width import budget_error, parameter_count, width_for
from lagbench.probes import probed
from lagbench.probes.context import Subject
from lagbench.record import Point, Record, Status
from lagbench.run.failures import CellContext, ended, ending, identity
from lagbench.run.store import Weights
from lagbench.spec.cell import Cell
from lagbench.spec.pairing import Unsupported, match
from lagbench.train.cell import Job, Trained, train
from lagbench.train.evaluation import evaluate, unstack
from lagbench.train.objective import Evaluation
from lagbench.train.replicas import Replicas

Watch = Callable[[dict[int, Point]], None]
Keep = Callable[[str, bytes], None]


def run_cell(
    cell: Cell, setting: CellContext, watch: Watch = lambda _: None, keep: Keep = lambda *_: None
) -> list[Record]:
    """Match, size, train, score and probe; one record a trial, whatever happens.

    watch: given new points of the learning curves. keep: given the key and the packed weights of
    every trial whose weights the recipe keeps.
    An architecture or task that raises makes failed trials with the reason, not an exception.
    """
    try:
        job = job_of(cell)
        if isinstance(job, Unsupported):
            return ended(cell, setting, Status.UNSUPPORTED, job.reason)
        return _trained(cell, job, setting, watch, keep)
    except CacheError:
        raise  # no fault of the cell's
    except (Exception, SystemExit) as error:
        return ended(cell, setting, *ending(error))


def job_of(cell: Cell) -> Job | Unsupported:
    """What there is to train, or why the cell is skipped."""
    plan = match(cell.architecture.value, cell.task.value.signature(cell.length))
    if isinstance(plan, Unsupported):
        return plan
    method = cell.recipe.decoding.method
    if plan.writes and isinstance(plan.signature.target, Reals) and method != "greedy":
        return Unsupported(f"it writes values, which are fed back as they are, and not by {method}")
    try:
        width = width_for(plan, cell.budget)
    except UserError as error:
        return Unsupported(str(error))
    return Job(plan, width, cell.task, cell.length, cell.seeds, cell.rates, cell.recipe)


@dataclass(frozen=True)
class _Stage:
    """Trials of a cell that trained together, the first of them at place `first` of its pairs."""

    job: Job
    trained: Trained
    first: int
    tuning: bool

    @property
    def updates(self) -> int:
        return sum(curve[-1].step for curve in self.trained.curves)


def _stages(cell: Cell, job: Job, setting: CellContext, watch: Watch) -> list[_Stage]:
    """The stage that is reported and, where seeds are set apart for it, the tuning before."""

    def stage(job: Job, first: int, tuning: bool) -> _Stage:
        def shifted(points: dict[int, Point]) -> None:
            watch({first + row: point for row, point in points.items()})

        device = torch.device(setting.device)
        trained = train(job, setting.cache, device, shifted, chunk=setting.chunk)
        return _Stage(job, trained, first, tuning)

    if not cell.tuning_seeds:
        return [stage(job, 0, tuning=False)]
    tuned = stage(replace(job, seeds=cell.tuning_seeds), 0, tuning=True)
    chosen = replace(job, rates=(tuned.trained.rate,))
    return [tuned, stage(chosen, len(tuned.job.pairs), tuning=False)]


def _trained(cell: Cell, job: Job, setting: CellContext, watch: Watch, keep: Keep) -> list[Record]:
    started = time.perf_counter()
    stages = _stages(cell, job, setting, watch)
    results = _tested(stages[-1], sum(stage.updates for stage in stages), setting.cache)
    if cell.recipe.keep == "best":
        _keep(cell, stages[-1], keep)
    common = {
        **identity(cell, setting),
        "plan": job.plan.kind,
        "width": job.width,
        "parameters": parameter_count(job.plan, job.width),
        "budget_error": budget_error(job.plan, job.width, cell.budget),
        "wall_seconds": (time.perf_counter() - started) / len(cell.pairs),
    }
    return [
        Record(
            **common,
            trial=cell.trial_key(*cell.pairs[stage.first + row]),
            seed=seed,
            learning_rate=rate,
            tuning=stage.tuning,
            selected=rate == stage.trained.rate and not stage.tuning,
            execution=stage.trained.execution,
            execution_reason=stage.trained.execution_reason,
            **_course(cell, stage.trained, row),
            **({} if stage.tuning else results.get(row, {})),
        )
        for stage in stages
        for row, (seed, rate) in enumerate(stage.job.pairs)
    ]


def _tested(stage: _Stage, updates: int, cache: Path | None) -> dict[int, dict[str, Any]]:
    """What the selected replicas reached on test, and what the probes found, by row.

    updates: optimiser steps of all replicas of the cell together.
    """
    job, trained = stage.job, stage.trained
    seeds = tuple(job.pairs[row][0] for row in trained.selected)
    reached, subject = scored(job, seeds, trained.winners, updates, cache)
    found = probed(subject)
    results = {}
    for index, row in enumerate(trained.selected):
        metric = reached.metric[index].item()
        results[row] = {
            "test_loss": reached.loss[index].item(),
            "test_metric": metric,
            "score": job.scale.score(metric),
            "accuracy": None if reached.accuracy is None else reached.accuracy[index].item(),
            "exact_match": None
            if reached.exact_match is None
            else reached.exact_match[index].item(),
            **found.fields(index),
        }
    return results


def scored(
    job: Job,
    seeds: tuple[int, ...],
    winners: Replicas,
    updates: int,
    cache: Path | None,
    deep: bool = False,
) -> tuple[Evaluation, Subject]:
    """What the selected replicas, of these seeds, reached on test, and what probes are given."""
    split = job.split(Split.TEST, cache)
    reached, answers = evaluate(winners, split, job.scale.metric, job.recipe.decoding)
    return reached, Subject(job, seeds, winners, split, answers, updates, deep)


def _keep(cell: Cell, stage: _Stage, keep: Keep) -> None:
    """Keep the weights that were scored, with what a record does not say of its neighbours."""
    facts = {
        "seeds": json.dumps(cell.seeds),
        "learning_rates": json.dumps(cell.rates),
        "tuning_seeds": json.dumps(cell.tuning_seeds),
    }
    for model, row in zip(unstack(stage.trained.winners), stage.trained.selected, strict=True):
        state = model.state_dict()  # parameters, and buffers such as a batch norm's
        tensors = {name: tensor.cpu().contiguous().clone() for name, tensor in state.items()}
        pair = cell.pairs[stage.first + row]
        keep(cell.trial_key(*pair), Weights(tensors, facts).packed())


def _course(cell: Cell, trained: Trained, row: int) -> dict[str, Any]:
    """What the learning curve of a replica says of its trial."""
    curve, finite = trained.curves[row], trained.finite[row]
    solved = (p.step for p in curve if p.validation_score >= cell.recipe.solved_at)
    reason = None
    if curve[-1].step < trained.steps:
        reason = f"its learning rate fell behind and was dropped after {curve[-1].step} steps"
    if not finite:
        reason = "its gradient left the finite numbers"
    return {
        "status": Status.OK if finite else Status.DIVERGED,
        "reason": reason,
        "steps": curve[-1].step,
        "steps_to_solve": next(solved, None),
        "train_loss": curve[-1].train_loss,
        "validation_score": max(point.validation_score for point in curve),
        "gradient_norm": curve[-1].gradient_norm,
        "clip_fraction": sum(point.clip_fraction for point in curve) / len(curve),
        "curve": tuple(curve),
    }
