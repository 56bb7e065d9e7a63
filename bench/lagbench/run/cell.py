"""Run a cell: pair, size, train, score on test and probe; one record per trial."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from lagbench.contract import Reals, Split, UserError
from lagbench.data.splits import CacheError
from lagbench.model.width import budget_error, parameter_count, width_for
from lagbench.probes import probed
from lagbench.probes.context import ProbeContext
from lagbench.record import Point, Record, Status
from lagbench.run.config import WorkerConfig
from lagbench.run.failures import cell_fields, describe_failure, failed_records
from lagbench.run.store import Weights
from lagbench.spec.cell import Cell
from lagbench.spec.pairing import Unsupported, match
from lagbench.train.cell import Job, Trained, train
from lagbench.train.evaluation import evaluate, unstack
from lagbench.train.objective import Evaluation
from lagbench.train.replicas import Replicas

OnPoints = Callable[[dict[int, Point]], None]
KeepWeights = Callable[[str, bytes], None]


def run_cell(
    cell: Cell,
    config: WorkerConfig,
    on_points: OnPoints = lambda _: None,
    keep_weights: KeepWeights = lambda *_: None,
) -> list[Record]:
    """Run all trials of a cell. A core or task that raises gives failed records, no exception.

    on_points: called with new points of the learning curves, by the trial's index in the cell.
    keep_weights: called with the key and the packed weights of each trial whose weights are kept.
    """
    try:
        job = make_job(cell)
        if isinstance(job, Unsupported):
            return failed_records(cell, config, Status.UNSUPPORTED, job.reason)
        return _train_and_score(cell, job, config, on_points, keep_weights)
    except CacheError:
        raise  # not the fault of the cell
    except (Exception, SystemExit) as error:
        return failed_records(cell, config, *describe_failure(error))


def make_job(cell: Cell) -> Job | Unsupported:
    """The job of training the cell, or why it is unsupported."""
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
    """Trials of a cell that trained together; `first` is the index of the first in its pairs."""

    job: Job
    trained: Trained
    first: int
    tuning: bool

    @property
    def updates(self) -> int:
        return sum(curve[-1].step for curve in self.trained.curves)


def _stages(cell: Cell, job: Job, config: WorkerConfig, on_points: OnPoints) -> list[_Stage]:
    """The reported stage, after the tuning stage if the cell has seeds for tuning."""

    def stage(job: Job, first: int, tuning: bool) -> _Stage:
        def shifted(points: dict[int, Point]) -> None:
            on_points({first + row: point for row, point in points.items()})

        device = torch.device(config.device)
        trained = train(job, config.cache, device, shifted, group_size=config.group)
        return _Stage(job, trained, first, tuning)

    if not cell.tuning_seeds:
        return [stage(job, 0, tuning=False)]
    tuned = stage(replace(job, seeds=cell.tuning_seeds), 0, tuning=True)
    chosen = replace(job, rates=(tuned.trained.rate,))
    return [tuned, stage(chosen, len(tuned.job.pairs), tuning=False)]


def _train_and_score(
    cell: Cell, job: Job, config: WorkerConfig, on_points: OnPoints, keep_weights: KeepWeights
) -> list[Record]:
    started = time.perf_counter()
    stages = _stages(cell, job, config, on_points)
    results = _test_and_probe(stages[-1], sum(stage.updates for stage in stages), config.cache)
    if cell.recipe.keep == "best":
        _keep(cell, stages[-1], keep_weights)
    common = {
        **cell_fields(cell, config),
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
            **_training_fields(cell, stage.trained, row),
            **({} if stage.tuning else results.get(row, {})),
        )
        for stage in stages
        for row, (seed, rate) in enumerate(stage.job.pairs)
    ]


def _test_and_probe(stage: _Stage, updates: int, cache: Path | None) -> dict[int, dict[str, Any]]:
    """The test and probe fields of the selected replicas' records, by row.

    updates: optimiser steps of all replicas of the cell together.
    """
    job, trained = stage.job, stage.trained
    seeds = tuple(job.pairs[row][0] for row in trained.selected)
    reached, context = score_on_test(job, seeds, trained.winners, updates, cache)
    probe_results = probed(context)
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
            **probe_results.fields(index),
        }
    return results


def score_on_test(
    job: Job,
    seeds: tuple[int, ...],
    winners: Replicas,
    updates: int,
    cache: Path | None,
    deep: bool = False,
) -> tuple[Evaluation, ProbeContext]:
    """Evaluate the selected replicas on the test split; returns that and what probes are given.

    seeds: of the replicas, in their order. updates: optimiser steps of the whole cell.
    """
    split = job.split(Split.TEST, cache)
    reached, answers = evaluate(winners, split, job.scale.metric, job.recipe.decoding)
    return reached, ProbeContext(job, seeds, winners, split, answers, updates, deep)


def _keep(cell: Cell, stage: _Stage, keep_weights: KeepWeights) -> None:
    """Keep the scored weights, with the cell's seeds and rates, which records do not hold."""
    facts = {
        "seeds": json.dumps(cell.seeds),
        "learning_rates": json.dumps(cell.rates),
        "tuning_seeds": json.dumps(cell.tuning_seeds),
    }
    for model, row in zip(unstack(stage.trained.winners), stage.trained.selected, strict=True):
        state = model.state_dict()  # parameters, and buffers such as a batch norm's
        tensors = {name: tensor.cpu().contiguous().clone() for name, tensor in state.items()}
        pair = cell.pairs[stage.first + row]
        keep_weights(cell.trial_key(*pair), Weights(tensors, facts).packed())


def _training_fields(cell: Cell, trained: Trained, row: int) -> dict[str, Any]:
    """The fields of a trial's record that follow from its learning curve."""
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
