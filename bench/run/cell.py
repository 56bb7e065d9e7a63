"""Running a cell, from names to records, in whichever process it falls to."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from bench.contract import InputError, Reals, Split
from bench.matching import Skip, match
from bench.model.budget import budget_error, parameter_count, width_for
from bench.probes import probed
from bench.probes.subject import Subject
from bench.record import Point, Record, Status
from bench.run.ending import Setting, ended, ending, identity
from bench.run.store import Weights
from bench.run.trial import Cell
from bench.train.cell import Job, Trained, train
from bench.train.data import CacheError
from bench.train.evaluation import alone, evaluate
from bench.train.objective import Evaluation
from bench.train.replicas import Replicas

Watch = Callable[[dict[int, Point]], None]
Keep = Callable[[str, bytes], None]


def run_cell(
    cell: Cell, setting: Setting, watch: Watch = lambda _: None, keep: Keep = lambda *_: None
) -> list[Record]:
    """Match, size, train, score and probe; one record a trial, whatever happens.

    watch: given new points of the learning curves. keep: given the key and the packed weights of
    every trial whose weights the recipe keeps.
    An architecture or task that raises makes failed trials with the reason, not an exception.
    """
    try:
        job = job_of(cell)
        if isinstance(job, Skip):
            return ended(cell, setting, Status.SKIPPED, job.reason)
        return _trained(cell, job, setting, watch, keep)
    except CacheError:
        raise  # no fault of the cell's
    except (Exception, SystemExit) as error:
        return ended(cell, setting, *ending(error))


def job_of(cell: Cell) -> Job | Skip:
    """What there is to train, or why the cell is skipped."""
    plan = match(cell.architecture.value, cell.task.value.signature(cell.length))
    if isinstance(plan, Skip):
        return plan
    method = cell.recipe.decoding.method
    if plan.writes and isinstance(plan.signature.target, Reals) and method != "greedy":
        return Skip(f"it writes values, which are fed back as they are, and not by {method}")
    try:
        width = width_for(plan, cell.budget)
    except InputError as error:
        return Skip(str(error))
    return Job(plan, width, cell.task, cell.length, cell.seeds, cell.rates, cell.recipe)


def _trained(cell: Cell, job: Job, setting: Setting, watch: Watch, keep: Keep) -> list[Record]:
    started = time.perf_counter()
    trained = train(job, setting.cache, torch.device(setting.device), watch, chunk=setting.chunk)
    results = _tested(job, trained, setting.cache)
    if cell.recipe.keep == "best":
        _keep(cell, trained, keep)
    common = {
        **identity(cell, setting),
        "plan": job.plan.kind,
        "way": trained.way,
        "width": job.width,
        "parameters": parameter_count(job.plan, job.width),
        "budget_error": budget_error(job.plan, job.width, cell.budget),
        "wall_seconds": (time.perf_counter() - started) / len(cell.pairs),
    }
    return [
        Record(
            **common,
            trial=cell.trial_key(seed, rate),
            seed=seed,
            learning_rate=rate,
            selected=rate == trained.rate,
            **_course(cell, trained.curves[row], trained.finite[row], trained.steps),
            **results.get(row, {}),
        )
        for row, (seed, rate) in enumerate(cell.pairs)
    ]


def _tested(job: Job, trained: Trained, cache: Path | None) -> dict[int, dict[str, Any]]:
    """What the selected replicas reached on test, and what the probes found, by row."""
    seeds = tuple(job.pairs[row][0] for row in trained.selected)
    updates = sum(curve[-1].step for curve in trained.curves)
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


def _keep(cell: Cell, trained: Trained, keep: Keep) -> None:
    """Keep the weights that were scored, with what a record does not say of its neighbours."""
    facts = {"seeds": json.dumps(cell.seeds), "learning_rates": json.dumps(cell.rates)}
    for model, row in zip(alone(trained.winners), trained.selected, strict=True):
        seed, rate = cell.pairs[row]
        tensors = {name: weight.detach().cpu().clone() for name, weight in model.named_parameters()}
        keep(cell.trial_key(seed, rate), Weights(tensors, facts).packed())


def _course(cell: Cell, curve: list[Point], finite: bool, steps: int) -> dict[str, Any]:
    """What the learning curve of a trial says of it; steps: those of its cell."""
    solved = (p.step for p in curve if p.validation_score >= cell.recipe.solved_at)
    reason = None
    if curve[-1].step < steps:
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
        "clipped": sum(point.clipped for point in curve) / len(curve),
        "curve": tuple(curve),
    }
