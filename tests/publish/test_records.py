"""What is stored comes back whole, is the same bytes every time, and joins what is alike alone."""

import gzip
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lagbench.contract import UserError
from lagbench.publish.records import Published, added, read, write


def by_trial(published: Published) -> Any:
    return sorted(published.records, key=lambda record: record.trial)


def like(published: Published, **changes: Any) -> Any:
    """Another run of the same cells, changed."""
    architecture = changes.get("architecture")
    keys = {record.cell: f"{record.cell}-2" for record in published.records}
    records = [
        record.model_copy(update={**changes, "cell": keys[record.cell], "trial": f"{n}"})
        for n, record in enumerate(published.records)
    ]
    run = published.run.model_copy(update={"cells": tuple(keys.values()), "command": "second"})
    speeds = [
        speed.model_copy(update={"architecture": architecture or speed.architecture, "batch": 99})
        for speed in published.throughputs
    ]
    return Published((run,), tuple(records), tuple(speeds))


def test_what_is_written_is_read(published: Published, tmp_path: Path) -> None:
    write(tmp_path / "records", published)
    result = read(tmp_path / "records")
    assert by_trial(result) == by_trial(published)
    assert (result.runs, set(result.throughputs)) == (published.runs, set(published.throughputs))


def test_the_same_results_are_the_same_bytes(published: Published, tmp_path: Path) -> None:
    write(tmp_path / "one", published)
    write(tmp_path / "two", replace(published, records=published.records[::-1]))
    write(tmp_path / "three", read(tmp_path / "one"))
    first, two, three = ((tmp_path / name).read_bytes() for name in ("one", "two", "three"))
    assert first == two
    assert gzip.decompress(three) == gzip.decompress(first)


def test_what_is_no_record_is_named(tmp_path: Path) -> None:
    path = tmp_path / "records"
    path.write_bytes(gzip.compress(b'{"run": null}\n{"runs": 1}\n'))
    with pytest.raises(UserError, match=r"line 2 is no record"):
        read(path)
    for damaged in (b"no gzip", path.read_bytes()[:-9], gzip.compress(b"\xff")):
        path.write_bytes(damaged)
        with pytest.raises(UserError, match="cannot be read"):
            read(path)


def test_another_architecture_stands_beside_those_that_are_there(published: Published) -> None:
    second = like(published, architecture="mine")
    both = added(published, second)
    assert len(both.records) == len(published.records) + len(second.records)
    assert [run.command for run in both.runs] == ["lagbench run", "second"]
    assert set(both.run.cells) == {record.cell for record in both.records}
    assert both.run.command == "second"


def test_the_same_cells_are_replaced_and_a_run_without_cells_is_gone(published: Published) -> None:
    second = like(published)
    both = added(published, second)
    assert both == second


def test_a_run_keeps_the_cells_that_were_not_replaced(published: Published) -> None:
    grus = [record for record in published.records if record.architecture == "gru"]
    second = like(replace(published, records=tuple(grus)))
    both = added(published, second)
    others = {r.cell for r in published.records if r.architecture != "gru"}
    assert set(both.runs[0].cells) == others
    assert {speed.batch for speed in both.throughputs if speed.architecture == "gru"} == {99}


def test_what_was_trained_otherwise_is_refused(published: Published) -> None:
    longer = {**published.records[0].recipe, "steps": 9}
    with pytest.raises(UserError, match="was trained with steps 9, not 8"):
        added(published, like(published, architecture="mine", recipe=longer))
    with pytest.raises(UserError, match="with budget parameters 3, not 2000"):
        added(published, like(published, architecture="mine", budget={"parameters": 3}))
    kept = {**published.records[0].recipe, "keep": "best"}
    added(published, like(published, architecture="mine", recipe=kept))
