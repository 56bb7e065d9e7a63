"""Records, points and speeds for tests, which state only the fields that they are about."""

import re
from typing import Any

from lagbench.record import Point, Record, Run, Status, Throughput


def record(**changes: Any) -> Record:
    """A selected trial of `lstm` on `recall` at length 16; its key is made of what varies."""
    fields = {
        "suite": "quick",
        "cell": "cell",
        "architecture": "lstm",
        "architecture_fields": {},
        "task": "recall",
        "task_fields": {},
        "task_version": 1,
        "length": 16,
        "seed": 0,
        "learning_rate": 0.01,
        "status": Status.OK,
        "selected": True,
        "plan": "mixer, last step",
        "recipe": {"steps": 800, "batch_size": 64},
        "budget": {"parameters": 20000},
        "alignment": "pooled",
        "metric": "accuracy",
        "chance": 0.125,
        "optimum": 1.0,
        "parameters": 20000,
        "width": 64,
        "steps": 800,
        "torch": "2.13.0",
        "device": "cpu",
    } | changes
    key = [fields[name] for name in ("architecture", "task", "length", "seed", "learning_rate")]
    fields.setdefault("trial", re.sub(r"[^\w-]", "_", "-".join(map(str, key))))
    return Record.model_validate(fields)


def point(step: int = 1, **changes: Any) -> Point:
    """An evaluation after `step` steps of 64 examples, with every measurement 0."""
    fields = {
        "step": step,
        "examples": 64 * step,
        "train_loss": 0.0,
        "validation_loss": 0.0,
        "validation_metric": 0.0,
        "validation_score": 0.0,
        "gradient_norm": 0.0,
        "clip_fraction": 0.0,
    }
    return Point.model_validate(fields | changes)


def throughput(**changes: Any) -> Throughput:
    """The speed of `lstm` on `recall` at length 16: 1,000 tokens per second in training."""
    fields = {
        "architecture": "lstm",
        "task": "recall",
        "length": 16,
        "batch": 64,
        "tokens_per_example": 16,
        "train_tokens_per_second": 1000.0,
        "inference_tokens_per_second": 3000.0,
        "train_relative": 1.0,
        "inference_relative": 1.0,
        "device": "cpu",
    }
    return Throughput.model_validate(fields | changes)


def run(**changes: Any) -> Run:
    """A run of `quick` with one cell, whose key is `cell`."""
    fields = {
        "suite": "quick",
        "description": "Which architecture reaches how far back?",
        "command": "lagbench run quick",
        "started": "2026-11-02T10:00:00Z",
        "seconds": 212.5,
        "versions": {"python": "3.11.9", "torch": "2.13.0"},
        "commit": "0123abc",
        "machine": "x86_64, 2 cores",
        "workers": 2,
        "cells": ("cell",),
    }
    return Run.model_validate(fields | changes)
