"""Architectures, tasks, suites and pairs: `lagbench list`, `show` and `pairs`."""

import re
from dataclasses import asdict
from enum import StrEnum
from inspect import cleandoc
from pathlib import Path
from typing import Annotated, Any

import typer

from lagbench import registry
from lagbench.cli.app import AsJson, Plugins, app, print_json, print_rows
from lagbench.cli.report import show_results
from lagbench.contract import Architecture, Task, UserError
from lagbench.registry import Named
from lagbench.spec.pairing import Unsupported, match


class Kind(StrEnum):
    """What can be listed."""

    ARCHITECTURES = "architectures"
    TASKS = "tasks"
    SUITES = "suites"


@app.command("list")
def list_names(kind: Kind, plugin: Plugins = [], as_json: AsJson = False) -> None:
    """List architectures, tasks or suites.

    Example: lagbench list architectures --json
    """
    registry.discover(plugin)
    match kind:
        case Kind.ARCHITECTURES:
            items = [_architecture(Named(*item)) for item in registry.architectures().items()]
        case Kind.TASKS:
            items = [_task(Named(*item)) for item in registry.tasks().items()]
        case Kind.SUITES:
            items = _suites()
    if not as_json:  # too long for a column; `show` has it
        items = [{key: item[key] for key in item if key != "source"} for item in items]
    print_rows(items, as_json)


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="Such as lstm:layers=2, or a folder of results.")],
    plugin: Plugins = [],
    as_json: AsJson = False,
) -> None:
    """Explain an architecture or a task; or show the leaderboard of a folder of results.

    Example: lagbench show lstm
    """
    registry.discover(plugin)
    if Path(name).is_dir() and not _is_known(name):
        show_results(Path(name), as_json)
        return
    named = named_as(name)
    shown: dict[str, Any] = {
        "name": named.name,
        "kind": "architecture" if isinstance(named.value, Architecture) else "task",
        "file": str(registry.home(named.preset)),
        "description": _documentation(named),
        "fields": named.fields,
    }
    facts: dict[str, str] = {}
    if isinstance(named.value, Architecture):
        size_and_cost, facts = _size_and_cost(named.value)
        shown |= size_and_cost
    if as_json:
        print_json(shown)
        return
    typer.echo(f"{shown['name']}: {shown['kind']} of {shown['file']}\n\n{shown['description']}\n")
    print_rows([{"field": key, "value": str(value)} for key, value in named.fields.items()])
    print_rows([{"fact": fact, "value": value} for fact, value in facts.items()])


@app.command()
def pairs(
    architecture: Annotated[list[str], typer.Option(help="Only these; all by default.")] = [],
    task: Annotated[list[str], typer.Option(help="Only these; all by default.")] = [],
    plugin: Plugins = [],
    as_json: AsJson = False,
) -> None:
    """Show how every architecture runs on every task, or why it cannot.

    Example: lagbench pairs --task copy
    """
    registry.discover(plugin)
    items = [
        _pair(named, named_task)
        for named_task in map(registry.task, task or registry.tasks())
        for named in map(registry.architecture, architecture or registry.architectures())
    ]
    print_rows(items, as_json)


def named_as(name: str) -> Named[Architecture] | Named[Task]:
    """The architecture or the task of that name."""
    if _is_known(name):
        is_task = _preset(name) in registry.tasks()
        return registry.task(name) if is_task else registry.architecture(name)
    known = [*registry.architectures(), *registry.tasks()]
    raise UserError(f"There is no {_preset(name)!r}; {registry.nearest(_preset(name), known)}")


def _is_known(name: str) -> bool:
    return _preset(name) in {*registry.architectures(), *registry.tasks()}


def _preset(name: str) -> str:
    return name.partition(":")[0]


def _architecture(named: Named[Architecture]) -> dict[str, Any]:
    value = named.value
    reads = (
        "vectors"
        if value.input_spaces is None
        else ", ".join(s.__name__.lower() for s in value.input_spaces)
    )
    return {
        "name": named.name,
        "reads": reads,
        "causal": value.causal,
        "longest": value.max_length,
        "description": _documentation(named).partition("\n")[0],
        "source": _source(named),
    }


def _size_and_cost(value: Architecture) -> tuple[dict[str, Any], dict[str, str]]:
    """As plain data, and in words."""
    from lagbench.cost.size import describe, model_size
    from lagbench.spec.suite import Suite

    tasks = (Named(*item) for item in registry.tasks().items())
    size = model_size(value, tasks, Suite.model_fields["budget"].default)
    plain = {"size": size and asdict(size), "cost": value.cost and asdict(value.cost)}
    return plain, describe(size, value.cost)


def _task(named: Named[Task]) -> dict[str, Any]:
    task, length = named.value, named.value.lengths[0]
    signature = task.signature(length)
    return {
        "name": named.name,
        "alignment": signature.alignment.value,
        "lengths": list(task.lengths),
        "metric": task.metric.name,
        "chance": task.chance(length),
        "optimum": task.optimum(length),
        "description": _documentation(named).partition("\n")[0],
        "source": _source(named),
    }


def _suites() -> list[dict[str, Any]]:
    from lagbench.spec.suite import built_in, cells, load

    suites = map(load, built_in())
    return [{"name": s.name, "cells": len(cells(s)), "description": s.description} for s in suites]


def _pair(named: Named[Architecture], task: Named[Task]) -> dict[str, Any]:
    plan = match(named.value, task.value.signature(task.value.lengths[0]))
    unsupported = isinstance(plan, Unsupported)
    return {
        "architecture": named.name,
        "task": task.name,
        "status": "unsupported" if unsupported else "ok",
        "plan": None if isinstance(plan, Unsupported) else plan.kind.value,
        "reason": plan.reason if isinstance(plan, Unsupported) else None,
    }


def _documentation(named: Named[Any]) -> str:
    return cleandoc(type(named.value).__doc__ or "")


def _source(named: Named[Any]) -> str | None:
    """The source that the documentation names, on one line."""
    source = re.search(
        r"^Source: (.+?)(?=\n\s*\n|\n[A-Z]\w*: |\Z)",
        _documentation(named),
        re.MULTILINE | re.DOTALL,
    )
    return None if source is None else " ".join(source.group(1).split())
