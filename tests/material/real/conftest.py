"""Small files of real data, of every format."""

import json
from pathlib import Path

import pytest
from datasets import Dataset, config

from lagbench.material.real import task as real_task
from lagbench.material.real.loading import read_dataset


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    """What `datasets` keeps, and what the process has read, is gone after each test."""
    monkeypatch.setattr(config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("datasets"))
    read_dataset.cache_clear()
    real_task._examples.cache_clear()


@pytest.fixture
def write(tmp_path):
    """Writes columns into a file of the format that its name says; its path, as a text."""

    def written(name, **columns):
        path: Path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        values = zip(*columns.values(), strict=True)
        rows = [dict(zip(columns, row, strict=True)) for row in values]
        if path.suffix == ".parquet":
            Dataset.from_dict(columns).to_parquet(path)
        elif path.suffix == ".jsonl":
            path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
        elif path.suffix == ".json":
            path.write_text(json.dumps(rows), encoding="utf-8")
        else:
            Dataset.from_dict(columns).to_csv(path, sep="\t" if path.suffix == ".tsv" else ",")
        return str(path)

    return written
