"""A tiny run, finished, and its records."""

from pathlib import Path
from typing import Any

import pytest

from lagbench.publish.records import Published
from lagbench.run.config import RunConfig
from lagbench.run.executors.local import Inline
from lagbench.run.runner import Watcher, run
from lagbench.run.store import Store
from lagbench.spec.suite import Selection, load, selected
from lagbench.tracking import Tracking

TINY = Path(__file__).parents[1] / "suites" / "tiny.toml"


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of an architecture on a task, and of one that cannot run it."""
    out = tmp_path_factory.mktemp("run") / "out"
    names = Selection(architectures=("gru", "bilstm"), tasks=("copy",), lengths=(3,))
    suite = selected(load(str(TINY)), names)
    run(
        RunConfig(suite, out, Inline(), Tracking("disabled"), command=("lagbench", "run")),
        Watcher(),
    )
    return out


@pytest.fixture(scope="session")
def published(finished: Any) -> Published:
    store = Store(finished)
    result = store.read_run()
    assert result is not None
    records, speeds = store.reported(result)
    return Published((result,), tuple(records), tuple(speeds))
