"""Measure probes again on the stored weights of a run; nothing is trained."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import torch

from lagbench import registry
from lagbench.contract import UserError
from lagbench.model.assembly import Model
from lagbench.probes import PROBES, Probed, probed
from lagbench.probes.attention_map import ATTENTION_MAP
from lagbench.probes.context import Probe, ProbeContext
from lagbench.probes.measures import MEASURES
from lagbench.record import Execution, Record
from lagbench.run.cell import make_job, score_on_test
from lagbench.run.executor import single_thread
from lagbench.run.runner import rewrite
from lagbench.run.store import Store, run_lock
from lagbench.spec.budget import Budget
from lagbench.spec.cell import Cell
from lagbench.spec.pairing import Unsupported
from lagbench.spec.recipe import Recipe
from lagbench.train.cell import Job, initialised
from lagbench.train.replicas import replicate

_NAMES = [probe.name for probe in PROBES]


@dataclass(frozen=True)
class Probing:
    """How far probing has come: a cell that was probed, or why it was not."""

    architecture: str
    task: str
    length: int
    reason: str | None = None


def probe(
    out: Path, names: Sequence[str] = (), deep: bool = False, device: str = "cpu"
) -> Iterator[Probing]:
    """Probe every cell of a run whose weights are kept; then write its tables and report again.

    names: of probes; none: all. Results of other probes stay. A record is
    replaced when all probes of its cell are done. Raises `UserError` where there is no such run or
    probe, no weights at all, or where a run goes on there.
    """
    probes = _named(names)
    store = Store(out)
    report = store.known_run()
    selected = [r for r in store.reported(report)[0] if r.selected and r.score is not None]
    if not any(map(store.has_weights, selected)):
        raise UserError(
            f"No weights are kept in {out}: run its suite with --set recipe.keep=best, which "
            "trains its cells again, and every later probe needs no training."
        )
    with run_lock(out), single_thread():
        for _, group in groupby(sorted(selected, key=_cell_order), key=_cell_order):
            records = list(group)
            yield _probed_cell(records, store, probes, deep, device)
        rewrite(out)


def _cell_order(record: Record) -> tuple[str, int, str]:
    return record.task, record.length, record.architecture


def _named(names: Sequence[str]) -> tuple[Probe, ...]:
    known = {probe.name: probe for probe in PROBES}
    for name in names:
        if name not in known:
            raise UserError(f"There is no probe {name!r}; {registry.nearest(name, known)}")
    return tuple(probe for probe in PROBES if not names or probe.name in names)


def _probed_cell(
    records: list[Record], store: Store, probes: tuple[Probe, ...], deep: bool, device: str
) -> Probing:
    """Probe the scored trials of one cell."""
    first = records[0]
    try:
        context, order = restore_models(records, store, deep, device)
    except UserError as error:
        return Probing(first.architecture, first.task, first.length, str(error))
    results = probed(context, probes)
    store.write(
        update_probes(record, results, row, probes, deep) for row, record in enumerate(order)
    )
    return Probing(first.architecture, first.task, first.length)


def restore_models(
    records: list[Record], store: Store, deep: bool = False, device: str = "cpu"
) -> tuple[ProbeContext, list[Record]]:
    """The scored models of a cell as they were after training, and their records in that order.

    Raises `UserError` where weights are missing, or the cell is not what it was.
    """
    stored = {record.seed: store.read_weights(record) for record in records}
    cell = _cell(records[0], next(iter(stored.values())).facts)
    job = make_job(cell) if cell.key == records[0].cell else None
    neighbours = store.read(cell) if job is not None else None
    if job is None or isinstance(job, Unsupported) or neighbours is None:
        raise UserError("its task, its architecture or LagBench has changed since it was trained.")
    order = [record for record in neighbours if record.seed in stored and record.selected]
    models = [_filled(job, record, stored[record.seed].tensors) for record in order]
    assert records[0].execution is not None
    replicas = replicate(models, Execution(records[0].execution), torch.device(device))
    updates = sum(record.steps or 0 for record in neighbours)
    seeds = tuple(record.seed for record in order)
    _, context = score_on_test(job, seeds, replicas, updates, store.cache, deep)
    return context, order


def _cell(record: Record, facts: dict[str, str]) -> Cell:
    return Cell(
        registry.architecture(record.architecture),
        registry.task(record.task),
        record.length,
        tuple(json.loads(facts["seeds"])),
        tuple(json.loads(facts["learning_rates"])),
        Recipe.model_validate(record.recipe),
        Budget.model_validate(record.budget),
        tuple(json.loads(facts.get("tuning_seeds", "[]"))),  # of weights from before, none
    )


def _filled(job: Job, record: Record, weights: dict[str, torch.Tensor]) -> Model:
    model = initialised(job, record.seed)
    model.load_state_dict(weights, strict=False)
    return model


def update_probes(
    record: Record, results: Probed, row: int, probes: tuple[Probe, ...], deep: bool
) -> Record:
    """The record with the results of some probes replaced."""
    again = {probe.name for probe in probes}
    new = results.values[row]
    replaced = {(value.probe, value.x) for value in new}
    kept = [
        value
        for value in record.probes
        if value.probe not in again and (value.probe, value.x) not in replaced
    ]
    values = sorted([*kept, *new], key=lambda value: (_rank(value.probe), value.x))
    unsupported = {
        name: why for name, why in record.unsupported_probes.items() if name not in again
    }
    unsupported |= results.unsupported
    deeply = {name for name in record.deep_probes if name not in again} | (again if deep else set())
    changes: dict[str, Any] = {
        **{name: None for probe in probes for name in probe.numbers},
        **results.numbers[row],
        "probes": tuple(values),
        "unsupported_probes": {name: unsupported[name] for name in _NAMES if name in unsupported},
        "attention_maps": results.maps[row]
        if ATTENTION_MAP.name in again
        else record.attention_maps,
        "deep_probes": tuple(name for name in _NAMES if name in deeply),
    }
    return record.model_copy(update=changes)


def _rank(curve: str) -> int:
    """The position in `PROBES` of the probe that a curve belongs to.

    Probes may share a curve (`extrapolation_…`). Any other name is a task's extra metric.
    """
    exact = (index for index, name in enumerate(_NAMES) if name == curve)
    prefixed = (index for index, name in enumerate(_NAMES) if name.startswith(f"{curve}_"))
    return next(exact, next(prefixed, _NAMES.index(MEASURES.name)))
